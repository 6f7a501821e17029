import { describe, expect, it } from 'vitest'
import type { Document, Draft } from '@murmuration/crdt'
import { createDocument, nextStamp } from '@murmuration/crdt'
import { compactText, editText, readText, text } from '@murmuration/crdt-text'

const schema = { body: text() }
let client = 1

class Writer {
  document: Document = createDocument()
  stamp = { time: 0, tick: 0 }
  readonly name: string

  constructor(name: string) {
    this.name = name
  }

  update(fn: (draft: Draft<typeof schema>) => void): Uint8Array {
    const { draft, operations } = this.document.draft(schema)
    fn(draft)
    this.stamp = nextStamp(this.stamp, 0)
    return this.document.execute(operations, { writer: this.name, stamp: this.stamp }).delta
  }

  insert(at: number, words: string): Uint8Array {
    return this.update((s) => editText(s.body, (t) => t.insert(at, words), { clientId: client++ }))
  }

  get text(): string {
    return readText(this.document.value(schema).body)
  }
}

function seeded(seed: number): (bound: number) => number {
  let state = seed
  return (bound) => {
    state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0
    return Math.floor((state / 2 ** 32) * bound)
  }
}

describe('text', () => {
  it('is empty at first, and keeps what both sides wrote at the same time', () => {
    const [a, b] = [new Writer('a'), new Writer('b')]
    expect(a.text).toBe('')
    b.document.apply(a.insert(0, 'hello world'))
    const left = a.insert(5, ' big')
    const right = b.update((s) => editText(s.body, (t) => t.delete(5, 6), { clientId: client++ }))
    a.document.apply(right)
    b.document.apply(left)
    expect(a.text).toBe('hello big')
    expect(b.text).toBe(a.text)
    expect(b.document.encode()).toEqual(a.document.encode())
  })

  it('comes to the same whatever the order of deltas, and while it is compacted', () => {
    for (let seed = 1; seed <= 20; seed++) {
      const next = seeded(seed)
      const writers = ['a', 'b', 'c'].map((name) => new Writer(name))
      const deltas: Uint8Array[] = []
      let inserted = 0
      for (let step = 0; step < 30; step++) {
        const writer = writers[next(3)]
        if (writer === undefined) continue
        const action = next(8)
        if (action < 4) {
          inserted += `${step} `.length
          deltas.push(writer.insert(next(writer.text.length + 1), `${step} `))
        } else if (action === 4) {
          deltas.push(writer.update((s) => void compactText(s.body)))
        } else {
          const delta = deltas[next(deltas.length)]
          if (delta !== undefined) writer.document.apply(delta)
        }
      }
      for (const { document } of writers) {
        for (const delta of deltas.toSorted(() => next(3) - 1)) document.apply(delta)
      }
      const [first, ...others] = writers
      for (const other of others) {
        expect(other.text, `seed ${seed}`).toBe(first?.text)
        expect(other.document.encode()).toEqual(first?.document.encode())
      }
      // Nothing that was inserted is lost or doubled.
      expect(first?.text).toHaveLength(inserted)
    }
  })

  it('becomes one update when it is compacted', () => {
    const writer = new Writer('a')
    for (let i = 0; i < 20; i++) writer.insert(writer.text.length, `${i} `)
    const before = writer.text
    expect(writer.document.value(schema).body).toHaveLength(20)
    writer.update((s) => void compactText(s.body))
    expect(writer.document.value(schema).body).toHaveLength(1)
    expect(writer.text).toBe(before)
  })

  it('is not changed by an edit that does nothing', () => {
    const writer = new Writer('a')
    writer.update((s) => editText(s.body, () => undefined, { clientId: client++ }))
    expect(writer.document.value(schema).body).toEqual([])
  })

  it('refuses the name of an edit that was used before, and names that cannot be', () => {
    const writer = new Writer('a')
    const edit = (clientId: number) => () =>
      writer.update((s) => editText(s.body, (t) => t.insert(0, 'x'), { clientId }))
    edit(77)()
    const invalid: unknown = expect.objectContaining({ name: 'InvalidParametersError' })
    for (const clientId of [77, -1, 0.5, 2 ** 32]) expect(edit(clientId)).toThrow(invalid)
  })

  it('that is damaged is an error by name', () => {
    expect(() => readText([new Uint8Array([9, 9, 9])])).toThrow(
      expect.objectContaining({ name: 'MalformedMessageError' })
    )
  })
})
