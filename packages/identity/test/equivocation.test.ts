import { describe, expect, test } from 'vitest'
import { createEquivocationWatch, createOpener, createSealer } from '../src/index.ts'
import { keyOf } from './keys.ts'

const text = (value: string): Uint8Array => new TextEncoder().encode(value)

describe('two contents under one number', () => {
  test('are a proof that anybody can check, told once', async () => {
    const sealer = createSealer({ privateKey: await keyOf(1), clock: { now: () => 1 } })
    const seal = (payload: string): Promise<Uint8Array> =>
      sealer.seal({ domain: 'd', type: 't', sequence: 7, payload: text(payload) })
    const [one, other, third] = [await seal('one'), await seal('other'), await seal('third')]
    const watch = createEquivocationWatch()
    const statement = { signer: sealer.signer, stream: 'a', sequence: 7 }
    expect(watch.observe({ ...statement, bytes: one })).toBeUndefined()
    expect(watch.observe({ ...statement, bytes: one })).toBeUndefined()
    const proof = watch.observe({ ...statement, bytes: other })
    expect(proof).toEqual({ ...statement, one, other })
    expect(watch.observe({ ...statement, bytes: third })).toBeUndefined()
    const opened = await createOpener().openAll([one, other], { domain: 'd' })
    expect(opened.every(({ status }) => status === 'opened')).toBe(true)
  })

  test('of another stream, number or signer are none', () => {
    const watch = createEquivocationWatch()
    const statement = { signer: 'a', stream: 's', sequence: 1, bytes: text('x') }
    watch.observe(statement)
    for (const change of [{ signer: 'b' }, { stream: 'r' }, { sequence: 2 }]) {
      expect(watch.observe({ ...statement, ...change, bytes: text('y') })).toBeUndefined()
    }
  })

  test('are noticed among the latest statements only, in bounded memory', () => {
    const watch = createEquivocationWatch({ max: 2 })
    const observe = (sequence: number, bytes: string): unknown =>
      watch.observe({ signer: 'a', stream: 's', sequence, bytes: text(bytes) })
    observe(1, 'x')
    observe(2, 'x')
    observe(3, 'x')
    expect(observe(1, 'y')).toBeUndefined()
    expect(observe(3, 'y')).toBeDefined()
    const small = createEquivocationWatch({ bytesMax: 250 })
    const large = (sequence: number, fill: number): unknown =>
      small.observe({ signer: 'a', stream: 's', sequence, bytes: new Uint8Array(100).fill(fill) })
    for (const sequence of [1, 2, 3]) large(sequence, 0)
    expect(large(1, 1)).toBeUndefined()
    expect(large(3, 1)).toMatchObject({ one: new Uint8Array(100) })
    expect(() => createEquivocationWatch({ max: 0 })).toThrow(/max/)
  })
})
