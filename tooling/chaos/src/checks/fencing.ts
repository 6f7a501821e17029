import { checkFencing } from '@murmuration/testkit'
import type { ClaimEvent } from '@murmuration/testkit'
import type { Effect, Operation } from '../protocol.ts'
import type { TakenEffect } from '../world.ts'

/** Boots of one peer stay far below this, so that an epoch is one number. */
const BOOTS_MAX = 1_000_000

function numberOf({ view, boot }: Effect['epoch']): number {
  return view * BOOTS_MAX + boot
}

/**
 * Owners under epochs. An owner that nobody asked for, because the view brought the agent to it, has
 * its epoch from its first effect on.
 */
export function checkClaims(
  operations: readonly Operation[],
  taken: readonly TakenEffect[]
): string[] {
  const claims = new Map<string, ClaimEvent>()
  const add = (owner: number, key: string, epoch: Effect['epoch'], at: [number, number]): void => {
    const claim = { key, owner: String(owner), epoch: numberOf(epoch) }
    const id = `${key} ${owner} ${claim.epoch}`
    // Claimed again by its holder: the first time counts.
    if (!claims.has(id)) claims.set(id, { ...claim, invokedAt: at[0], returnedAt: at[1] })
  }
  for (const { owner, key, epoch, atMs } of taken) add(owner, key, epoch, [atMs, atMs])
  for (const { action, client, key, epoch, begun, ms } of operations) {
    if (action === 'claim' && epoch !== undefined) add(client, key, epoch, [begun, begun + ms])
  }
  const effects = taken.map(({ key, epoch }) => ({ key, epoch: numberOf(epoch) }))
  const names = new Set(taken.map(({ name }) => name))
  return [
    ...checkFencing([...claims.values()], effects).map(({ rule, detail }) => `${rule}: ${detail}`),
    ...operations
      .filter(
        ({ action, outcome, name }) => action === 'act' && outcome === 'ok' && !names.has(name)
      )
      .map(({ key, name }) => `acknowledged without its effect: ${key} ${name}`)
  ]
}
