import { Key } from 'interface-datastore'
import { expect, it } from 'vitest'
import { BoundedDatastore } from '../src/kademlia-records.ts'

const value = new Uint8Array(8)

it('keeps 256 records of one provider, those of others beside it, and forgets what is deleted', async () => {
  const store = new BoundedDatastore()
  const key = (content: number, peer: string): Key => new Key(`/dht/provider/c${content}/${peer}`)
  for (let content = 0; content < 256; content++) await store.put(key(content, 'rogue'), value)
  expect(() => store.put(key(256, 'rogue'), value)).toThrow(/no room/)
  await store.put(key(255, 'rogue'), value)
  await store.put(key(0, 'good'), value)
  await store.delete(key(0, 'rogue'))
  await store.put(key(256, 'rogue'), value)
  expect(await store.has(key(0, 'good'))).toBe(true)
})

it('keeps 16384 records altogether, and the first ones', async () => {
  const store = new BoundedDatastore()
  for (let index = 0; index < 16_384; index++) {
    await store.put(new Key(`/dht/provider/c/p${index}`), value)
  }
  expect(() => store.put(new Key('/dht/record/one'), value)).toThrow(/no room/)
  expect(await store.has(new Key('/dht/provider/c/p0'))).toBe(true)
})
