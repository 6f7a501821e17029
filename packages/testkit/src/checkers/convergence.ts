import type { Violation } from './violation.ts'

/** What one replica holds when all is quiet. */
export interface ReplicaState {
  readonly name: string
  /** Its state in a canonical encoding: equal states give equal bytes. */
  readonly bytes: Uint8Array
  /** The elements that it shows. */
  readonly elements: Iterable<string>
}

/** What clients did to a set that replicas hold. */
export interface SetHistory {
  /** Elements whose addition was acknowledged. */
  readonly added: Iterable<string>
  /** Elements whose removal was acknowledged, and that were not added after it. */
  readonly removed: Iterable<string>
  /** Elements whose removal was asked for with an unknown outcome: they may be there or not. */
  readonly perhapsRemoved?: Iterable<string>
}

/**
 * After all faults have ended: replicas are equal, byte by byte, what was acknowledged is there, and
 * what was removed has not come back.
 */
export function checkConvergence(
  replicas: readonly ReplicaState[],
  { added, removed, perhapsRemoved = [] }: SetHistory = { added: [], removed: [] }
): readonly Violation[] {
  const violations: Violation[] = []
  const [first, ...others] = replicas
  for (const { name, bytes } of others) {
    if (first !== undefined && !isEqual(bytes, first.bytes)) {
      violations.push({ rule: 'replicas are equal', detail: `${name} differs from ${first.name}` })
    }
  }
  const gone = new Set(removed)
  const mayBeGone = new Set([...gone, ...perhapsRemoved])
  for (const { name, elements } of replicas) {
    const shown = new Set(elements)
    for (const element of added) {
      if (!shown.has(element) && !mayBeGone.has(element)) {
        violations.push({ rule: 'acknowledged additions stay', detail: `${element} on ${name}` })
      }
    }
    for (const element of gone) {
      if (shown.has(element)) {
        violations.push({ rule: 'removals do not come back', detail: `${element} on ${name}` })
      }
    }
  }
  return violations
}

function isEqual(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, at) => byte === b[at])
}
