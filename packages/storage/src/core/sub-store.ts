import type { Store, StoreOperation, StoreRange } from '@murmuration/interface'
import { checkBatch, checkKey, checkRange } from './keys.ts'

/** A store seen through a prefix; what {@link Store.sub} returns. */
export function createSubStore(parent: Store, prefix: string): Store {
  if (prefix.length > 0) {
    checkKey(prefix)
  }
  return {
    async get(key) {
      checkKey(key)
      return parent.get(prefix + key)
    },
    async write(batch, options) {
      // Before the prefix is added, which would hide an empty key.
      checkBatch(batch)
      const prefixed: StoreOperation[] = batch.map(({ key, value }) => ({
        key: prefix + key,
        value
      }))
      return parent.write(prefixed, options)
    },
    entries: (range) => entriesBelow(parent, prefix, range ?? {}),
    sub: (more) => createSubStore(parent, prefix + more),
    async close() {
      // The parent is closed by whoever opened it.
    }
  }
}

async function* entriesBelow(
  parent: Store,
  prefix: string,
  range: StoreRange
): AsyncGenerator<readonly [string, Uint8Array]> {
  checkRange(range)
  const { after, onDamaged } = range
  const inner: StoreRange = {
    ...range,
    prefix: prefix + (range.prefix ?? ''),
    ...(after === undefined ? {} : { after: prefix + after }),
    ...(onDamaged && { onDamaged: (key, found) => onDamaged(key.slice(prefix.length), found) })
  }
  for await (const [key, value] of parent.entries(inner)) {
    yield [key.slice(prefix.length), value]
  }
}
