import { expect, it } from 'vitest'
import { createMemoryStore } from '../src/index.ts'
import { storeCompliance } from './compliance.ts'

// oxlint-disable-next-line require-await -- the suite also opens stores that take time
storeCompliance('createMemoryStore', async () => createMemoryStore())

it('loses in a crash what was written since the last synced write, and nothing else', async () => {
  const store = createMemoryStore()
  const value = (number: number): Uint8Array => new Uint8Array([number])
  await store.write([{ key: 'a', value: value(1) }], { sync: false })
  await store.write([{ key: 'b', value: value(2) }], { sync: true })
  await store.write(
    [
      { key: 'a', value: value(3) },
      { key: 'a', value: value(4) },
      { key: 'b', value: undefined },
      { key: 'c', value: value(5) }
    ],
    { sync: false }
  )
  store.crash()
  expect(await store.get('a')).toEqual(value(1))
  expect(await store.get('b')).toEqual(value(2))
  expect(await store.get('c')).toBeUndefined()
  store.crash()
  expect(await store.get('b')).toEqual(value(2))
})

it('answers without timers, so that virtual time need not move', async () => {
  const store = createMemoryStore()
  let done = false
  const work = store.write([{ key: 'a', value: new Uint8Array(1) }], { sync: true }).then(() => {
    done = true
  })
  for (let turn = 0; turn < 5; turn += 1) {
    await Promise.resolve()
  }
  expect(done).toBe(true)
  await work
})
