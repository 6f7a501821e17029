import type { RegistryChange } from '@murmuration/interface'

/** Signals of this type carry changes to the watchers of other peers. */
export const CHANGE_TYPE = 'murmuration.registry.change'

/** The change in the data of such a signal; undefined for anything else. */
export function readChange(data: unknown): RegistryChange | undefined {
  if (typeof data !== 'object' || data === null) return undefined
  const { type, id, peer, reason } = data as Record<string, unknown> // checked field by field below
  if (typeof id !== 'string' || typeof peer !== 'string' || typeof reason !== 'string')
    return undefined
  if (type !== 'registered' && type !== 'unregistered' && type !== 'conflicted') return undefined
  return { type, id, peer, reason }
}
