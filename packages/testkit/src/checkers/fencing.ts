import { byKey } from './history.ts'
import type { Violation } from './violation.ts'

/** A claim that was answered with `claimed`. */
export interface ClaimEvent {
  readonly key: string
  readonly owner: string
  /** The token, or epoch, that fences what other owners do. */
  readonly epoch: number
  /** Places in real time, as `Operation` has them. */
  readonly invokedAt: number
  readonly returnedAt: number
}

/** A side effect that was accepted outside, in the order of acceptance. */
export interface EffectEvent {
  readonly key: string
  readonly epoch: number
}

/**
 * Owners under tokens, after Kleppmann, "How to do distributed locking" (2016): of two claims of a
 * key, the one that began after the other had ended has the higher epoch; nobody else claims an epoch
 * that was claimed; effects are accepted in the order of their epochs, and only under claimed ones.
 */
export function checkFencing(
  claims: readonly ClaimEvent[],
  effects: readonly EffectEvent[] = []
): readonly Violation[] {
  const violations: Violation[] = []
  const claimsOf = byKey(claims)
  for (const [key, all] of claimsOf) {
    violations.push(...claimViolations(key, all))
  }
  for (const [key, all] of byKey(effects)) {
    const claimed = new Set(claimsOf.get(key)?.map(({ epoch }) => epoch))
    let highest = -Infinity
    for (const { epoch } of all) {
      if (epoch < highest) {
        const detail = `${key}: an effect of epoch ${epoch} was accepted after one of ${highest}`
        violations.push({ rule: 'effects are in the order of epochs', detail })
      }
      if (!claimed.has(epoch)) {
        const detail = `${key}: an effect of epoch ${epoch}, which nobody claimed`
        violations.push({ rule: 'effects need a claim', detail })
      }
      highest = Math.max(highest, epoch)
    }
  }
  return violations
}

function* claimViolations(key: string, claims: readonly ClaimEvent[]): Iterable<Violation> {
  const owners = new Map<number, string>()
  const ends = claims.toSorted((a, b) => a.returnedAt - b.returnedAt)
  let ended = 0
  let highest = -Infinity
  for (const { epoch, owner, invokedAt } of claims.toSorted((a, b) => a.invokedAt - b.invokedAt)) {
    for (; (ends[ended]?.returnedAt ?? Infinity) < invokedAt; ended++) {
      highest = Math.max(highest, ends[ended]?.epoch ?? -Infinity)
    }
    if (owners.has(epoch)) {
      const detail = `${key}: ${owners.get(epoch)} and ${owner} both claimed epoch ${epoch}`
      yield { rule: 'one claim for each epoch', detail }
    } else if (epoch <= highest) {
      const detail = `${key}: ${owner} claimed epoch ${epoch} after ${highest} was claimed`
      yield { rule: 'epochs rise in real time', detail }
    }
    owners.set(epoch, owner)
  }
}
