import fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { Store, StoreRange } from '@murmuration/interface'

function bytes(text: string): Uint8Array {
  return new Uint8Array(Buffer.from(text))
}

async function collect(store: Store, range?: StoreRange): Promise<[string, string][]> {
  const found: [string, string][] = []
  for await (const [key, value] of store.entries(range)) {
    found.push([key, Buffer.from(value).toString()])
  }
  return found
}

async function keysOf(store: Store, range?: StoreRange): Promise<string[]> {
  return (await collect(store, range)).map(([key]) => key)
}

async function put(store: Store, ...keys: string[]): Promise<void> {
  await store.write(
    keys.map((key) => ({ key, value: bytes(`=${key}`) })),
    { sync: false }
  )
}

/** What every {@link Store} must do. `open` gives an empty one; the suite closes it. */
export function storeCompliance(name: string, open: () => Promise<Store>): void {
  describe(`${name} as a store`, () => {
    let store: Store

    beforeEach(async () => {
      store = await open()
    })

    afterEach(async () => {
      await store.close()
    })

    it('has nothing at first', async () => {
      expect(await store.get('a')).toBeUndefined()
      expect(await collect(store)).toEqual([])
    })

    it('gives back what was written, synced or not', async () => {
      await store.write([{ key: 'a', value: bytes('1') }], { sync: true })
      await store.write([{ key: 'b', value: new Uint8Array(0) }], { sync: false })
      expect(await store.get('a')).toEqual(bytes('1'))
      expect(await store.get('b')).toEqual(new Uint8Array(0))
    })

    it('replaces and removes', async () => {
      await put(store, 'a', 'b')
      await store.write(
        [
          { key: 'a', value: bytes('2') },
          { key: 'b', value: undefined },
          { key: 'c', value: undefined }
        ],
        { sync: true }
      )
      expect(await collect(store)).toEqual([['a', '2']])
    })

    it('applies a batch in its order', async () => {
      await store.write(
        [
          { key: 'a', value: bytes('1') },
          { key: 'a', value: undefined },
          { key: 'b', value: undefined },
          { key: 'b', value: bytes('2') }
        ],
        { sync: false }
      )
      expect(await collect(store)).toEqual([['b', '2']])
    })

    it('applies writes in the order of their calls, synced or not', async () => {
      await Promise.all(
        Array.from({ length: 50 }, (_, number) =>
          store.write([{ key: 'a', value: bytes(String(number)) }], { sync: number % 3 === 0 })
        )
      )
      expect(await collect(store)).toEqual([['a', '49']])
    })

    it('takes an empty batch', async () => {
      await store.write([], { sync: true })
      expect(await collect(store)).toEqual([])
    })

    it('keeps no reference to what it is given or gives', async () => {
      const value = bytes('abc')
      const writing = store.write([{ key: 'a', value }], { sync: false })
      value.fill(0)
      await writing
      const got = await store.get('a')
      expect(got).toEqual(bytes('abc'))
      got?.fill(0)
      for await (const entry of store.entries()) {
        expect(entry[1]).toEqual(bytes('abc'))
        entry[1].fill(0)
      }
      expect(await store.get('a')).toEqual(bytes('abc'))
    })

    it('keeps values of every byte and of some megabytes', async () => {
      const large = new Uint8Array(3_000_000).map((_, index) => index * 7)
      await store.write([{ key: 'large', value: large }], { sync: true })
      expect(Buffer.compare((await store.get('large')) ?? bytes(''), large)).toBe(0)
    })

    it('orders keys by their UTF-8 bytes', async () => {
      const ordered = [
        '\0',
        'A',
        'a',
        'a\0',
        'aa',
        'b',
        'ÿ',
        '中',
        '\uE000',
        '\uFEFF',
        '\uFFFD',
        '😀'
      ]
      await put(store, ...ordered.toReversed())
      expect(await keysOf(store)).toEqual(ordered)
      expect(await keysOf(store, { reverse: true })).toEqual(ordered.toReversed())
    })

    it('reads ranges by prefix, start and limit', async () => {
      await put(store, 'a', 'a/1', 'a/2', 'a/3', 'a0', 'b')
      expect(await keysOf(store, { prefix: 'a/' })).toEqual(['a/1', 'a/2', 'a/3'])
      expect(await keysOf(store, { prefix: 'a/', after: 'a/1' })).toEqual(['a/2', 'a/3'])
      expect(await keysOf(store, { prefix: 'a/', after: 'a' })).toEqual(['a/1', 'a/2', 'a/3'])
      expect(await keysOf(store, { prefix: 'a/', after: 'a/3' })).toEqual([])
      expect(await keysOf(store, { prefix: 'a/', after: 'b' })).toEqual([])
      expect(await keysOf(store, { after: 'a/25' })).toEqual(['a/3', 'a0', 'b'])
      expect(await keysOf(store, { limit: 2 })).toEqual(['a', 'a/1'])
      expect(await keysOf(store, { limit: 0 })).toEqual([])
      expect(await keysOf(store, { prefix: 'a/', reverse: true, limit: 2 })).toEqual(['a/3', 'a/2'])
      expect(await keysOf(store, { prefix: 'a/', after: 'a/1', reverse: true })).toEqual([
        'a/3',
        'a/2'
      ])
      expect(await keysOf(store, { prefix: 'c' })).toEqual([])
    })

    it('reads ranges whose prefix ends in the highest characters', async () => {
      const keys = ['p\u{10FFFE}', 'p\u{10FFFF}', 'p\u{10FFFF}x', 'p\u{10FFFF}\u{10FFFF}', 'q']
      await put(store, ...keys)
      expect(await keysOf(store, { prefix: 'p\u{10FFFF}' })).toEqual(keys.slice(1, 4))
    })

    it('shows an iteration the store as it was when it began', async () => {
      await put(store, 'a', 'b', 'c')
      const seen: string[] = []
      for await (const [key] of store.entries()) {
        seen.push(key)
        await store.write(
          [
            { key: 'b', value: undefined },
            { key: 'd', value: bytes('') }
          ],
          { sync: false }
        )
      }
      expect(seen).toEqual(['a', 'b', 'c'])
      expect(await keysOf(store)).toEqual(['a', 'c', 'd'])
    })

    it('lets an iteration be left early', async () => {
      await put(store, 'a', 'b', 'c')
      for await (const [key] of store.entries()) {
        expect(key).toBe('a')
        break
      }
      expect(await keysOf(store)).toEqual(['a', 'b', 'c'])
    })

    it('is seen through prefixes', async () => {
      const inner = store.sub('in/').sub('deep/')
      await put(store, 'a', 'in/a', 'in/deep/a', 'z')
      await put(inner, 'b')
      expect(await collect(inner)).toEqual([
        ['a', '=in/deep/a'],
        ['b', '=b']
      ])
      expect(await inner.get('b')).toEqual(bytes('=b'))
      expect(await store.get('in/deep/b')).toEqual(bytes('=b'))
      expect(await keysOf(store.sub('in/'), { prefix: 'd', after: 'deep/a' })).toEqual(['deep/b'])
      expect(await keysOf(store.sub('in/'), { after: 'a' })).toEqual(['deep/a', 'deep/b'])
      await inner.write([{ key: 'a', value: undefined }], { sync: true })
      expect(await keysOf(store)).toEqual(['a', 'in/a', 'in/deep/b', 'z'])
    })

    it('stays open when a part of it is closed', async () => {
      await store.sub('in/').close()
      await put(store, 'a')
      expect(await keysOf(store)).toEqual(['a'])
    })

    it.each([
      ['an empty key', ''],
      ['a long key', 'k'.repeat(4097)],
      ['half a character', 'a\ud800']
    ])('refuses %s and changes nothing', async (_name, key) => {
      const refusal = expect.objectContaining({ name: 'InvalidParametersError' })
      for (const view of [store, store.sub('in/')]) {
        const batch = [
          { key: 'good', value: bytes('1') },
          { key, value: bytes('2') }
        ]
        await expect(view.write(batch, { sync: true })).rejects.toEqual(refusal)
        await expect(view.get(key)).rejects.toEqual(refusal)
      }
      expect(await keysOf(store)).toEqual([])
    })

    it('refuses bad values and ranges', async () => {
      const refusal = expect.objectContaining({ name: 'InvalidParametersError' })
      // @ts-expect-error a value of the wrong type on purpose
      await expect(store.write([{ key: 'a', value: 'x' }], { sync: true })).rejects.toEqual(refusal)
      await expect(collect(store, { limit: -1 })).rejects.toEqual(refusal)
      await expect(collect(store, { limit: 1.5 })).rejects.toEqual(refusal)
      await expect(collect(store, { prefix: '\udc00' })).rejects.toEqual(refusal)
      expect(await keysOf(store)).toEqual([])
    })

    it('answers nothing after it was closed, and may be closed twice', async () => {
      const pending = put(store, 'a')
      await Promise.all([store.close(), store.close()])
      await pending
      const refusal = expect.objectContaining({ name: 'StorageError' })
      await expect(store.get('a')).rejects.toEqual(refusal)
      await expect(put(store, 'a')).rejects.toEqual(refusal)
      await expect(collect(store)).rejects.toEqual(refusal)
      await expect(store.sub('x').get('a')).rejects.toEqual(refusal)
      await store.close()
    })

    it('does the same as a sorted list', async () => {
      const key = fc.string({ minLength: 1, maxLength: 3, unit: 'grapheme' })
      const batch = fc.array(fc.record({ key, value: fc.option(key, { nil: undefined }) }), {
        maxLength: 8
      })
      const range = fc.record(
        {
          prefix: fc.string({ maxLength: 2, unit: 'grapheme' }),
          after: key,
          limit: fc.nat(5),
          reverse: fc.boolean()
        },
        { requiredKeys: [] }
      )
      let run = 0
      const property = fc.asyncProperty(fc.array(batch), range, async (batches, asked) => {
        run += 1
        const view = store.sub(`${run}/`)
        const model = new Map<string, string>()
        for (const operations of batches) {
          await view.write(
            operations.map((one) => ({
              key: one.key,
              value: one.value === undefined ? undefined : bytes(one.value)
            })),
            { sync: false }
          )
          for (const one of operations) {
            if (one.value === undefined) {
              model.delete(one.key)
            } else {
              model.set(one.key, one.value)
            }
          }
        }
        let expected = [...model].toSorted((a, b) => Buffer.compare(bytes(a[0]), bytes(b[0])))
        const { prefix = '', after, limit, reverse } = asked
        expected = expected.filter(
          ([one]) =>
            one.startsWith(prefix) &&
            (after === undefined || Buffer.compare(bytes(one), bytes(after)) > 0)
        )
        if (reverse) {
          expected.reverse()
        }
        expect(await collect(view, asked)).toEqual(expected.slice(0, limit))
      })
      await fc.assert(property, { numRuns: 60 })
    })
  })
}
