import type { Store } from '@murmuration/interface'

const KEY = 'tcp-ports'

/**
 * Keeps the port that the system chose, so that other peers find this one again after a restart.
 * Only addresses that end in `/tcp/0` are changed.
 */
export async function withKnownPorts(
  listen: readonly string[],
  store: Store
): Promise<readonly string[]> {
  const stored = await store.get(KEY)
  if (stored === undefined) return listen
  const ports = new TextDecoder().decode(stored).split(',').map(Number)
  let at = 0
  return listen.map((address) => {
    if (!address.endsWith('/tcp/0')) return address
    const port = ports[at++]
    return port === undefined || !(port > 0) ? address : address.replace(/0$/, String(port))
  })
}

/** Remembers the ports of the addresses that end in `/tcp/0`, in their order. */
export async function rememberPorts(
  listen: readonly string[],
  addresses: readonly string[],
  store: Store
): Promise<void> {
  const wanted = listen.filter((address) => address.endsWith('/tcp/0')).length
  const ports = addresses.map((address) => /\/tcp\/(\d+)/.exec(address)?.[1] ?? '')
  const distinct = [...new Set(ports)].filter((port) => port !== '').slice(0, wanted)
  if (distinct.length === 0) return
  const value = new TextEncoder().encode(distinct.join(','))
  await store.write([{ key: KEY, value }], { sync: true })
}
