import { MurmurationError } from '@murmuration/interface'
import type { Effect, FromPeer, ToPeer } from './protocol.ts'

const ANSWER_MS = 5_000

let asked = 0
const waiting = new Map<number, (taken: boolean) => void>()

/** What the launcher, as the world outside, said of an effect. */
export function onEffectTaken({ id, taken }: Extract<ToPeer, { kind: 'effect-taken' }>): void {
  waiting.get(id)?.(taken)
}

/** Asks the world outside to take an effect. @throws MurmurationError where it does not */
export async function applyEffect(effect: Effect): Promise<void> {
  const id = ++asked
  const taken = await new Promise<boolean>((resolve, reject) => {
    const late = setTimeout(() => reject(refused('does not answer', true)), ANSWER_MS)
    waiting.set(id, (answer) => resolve((clearTimeout(late), answer)))
    process.send?.({ kind: 'effect', id, effect } satisfies FromPeer)
  }).finally(() => waiting.delete(id))
  if (!taken) throw refused('has seen a later epoch', false)
}

function refused(reason: string, outcomeUnknown: boolean): MurmurationError {
  return new MurmurationError('EffectRefusedError', `the world outside ${reason}`, {
    code: 'ERR_EFFECT_REFUSED',
    outcomeUnknown
  })
}

/** Whether one epoch is earlier than another. */
export function isEarlier(a: Effect['epoch'], b: Effect['epoch']): boolean {
  return a.view < b.view || (a.view === b.view && a.boot < b.boot)
}
