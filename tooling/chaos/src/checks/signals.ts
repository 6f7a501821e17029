import type { Ear } from '../herd.ts'
import type { Heard, Operation } from '../protocol.ts'
import { byKey } from './group.ts'

/** What is looked at: who heard what, and what was published. */
export interface SignalLog {
  readonly operations: readonly Operation[]
  readonly ears: readonly Ear[]
  readonly wiped: ReadonlySet<number>
}

/**
 * No process hears a signal twice; by its durable subscription it hears those of one publisher in
 * their order (by a plain one it may get some late); and what was accepted for durable subscriptions
 * reaches every peer that had subscribed, unless its disk is gone.
 */
export function checkSignals(log: SignalLog): string[] {
  return [...log.ears.flatMap(orderOf), ...missing(log)]
}

function orderOf({ peer, heard }: Ear): string[] {
  const found: string[] = []
  for (const [, all] of byKey(heard, publisherOf)) {
    const known = new Set<string>()
    let last = -1
    for (const { name, durable } of all) {
      const number = Number(name.split('.')[2])
      if (known.has(name)) found.push(`each signal once: peer ${peer} heard ${name} twice`)
      else if (durable && number < last) {
        found.push(`durable signals in order: peer ${peer} heard ${name} after ${last}`)
      }
      known.add(name)
      last = Math.max(last, number)
    }
  }
  return found
}

/** One process of a peer, by one kind of subscription: `client.process.number`. */
function publisherOf({ name, durable }: Heard): string {
  return `${durable} ${name.split('.').slice(0, 2).join('.')}`
}

/** Accepted signals that a peer has not handled, in any of its lives. */
function missing({ operations, ears, wiped }: SignalLog): string[] {
  const accepted = operations.filter(
    ({ kind, key, outcome }) => kind === 'signal' && key === 'at-least-once' && outcome === 'ok'
  )
  return [...byKey(ears, ({ peer }) => String(peer))].flatMap(([peer, lives]) => {
    const isUp = lives.at(-1)?.endedMs === undefined
    const since = lives[0]?.subscribedMs
    if (wiped.has(Number(peer)) || !isUp || since === undefined) return []
    const names = new Set(lives.flatMap(({ heard }) => heard.map(({ name }) => name)))
    return accepted
      .filter(({ begun, name }) => begun > since && !names.has(name))
      .map(({ name }) => `accepted signals are handled: ${name} by peer ${peer}`)
  })
}
