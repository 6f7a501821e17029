import type { Store } from '@murmuration/interface'

const trustedKey = 'roots'
const givenKey = 'roots/given'
const encoder = new TextEncoder()

/**
 * The root keys that this peer trusted when it ended: they were given once, and may have been changed
 * while it ran. Undefined where others are given now than then: what a person says last is what holds.
 */
export async function keptRoots(
  store: Store,
  given: readonly string[]
): Promise<readonly string[] | undefined> {
  const [trusted, before] = await Promise.all([read(store, trustedKey), read(store, givenKey)])
  // Where it was not kept what was given then, that was an invitation.
  return before === undefined || before.join() === given.join() ? trusted : undefined
}

/** Keeps what is trusted from now on, and what was given, where it is that. */
export async function keepRoots(
  store: Store,
  trusted: readonly string[],
  { given }: { readonly given?: readonly string[] } = {}
): Promise<void> {
  const batch = [{ key: trustedKey, value: encoder.encode(trusted.join(' ')) }]
  if (given !== undefined) batch.push({ key: givenKey, value: encoder.encode(given.join(' ')) })
  await store.write(batch, { sync: true })
}

async function read(store: Store, key: string): Promise<readonly string[] | undefined> {
  const value = await store.get(key)
  return value === undefined ? undefined : new TextDecoder().decode(value).split(' ')
}
