import type { Schema } from '@murmuration/crdt'
import type { AgentType, SignalReaction } from './define.ts'

/** The reactions of a type to a signal type: `*` stands for one segment, `**` for any number. */
export function reactionsTo(
  type: AgentType,
  signalType: string
): readonly SignalReaction<Schema>[] {
  const given = signalType.split('.')
  return Object.entries(type.on)
    .filter(([pattern]) => matches(pattern.split('.'), given))
    .map(([, reaction]) => reaction)
}

function matches(wanted: readonly string[], given: readonly string[]): boolean {
  const [head, ...rest] = wanted
  if (head === undefined) return given.length === 0
  if (head === '**') {
    return given.some((_, at) => matches(rest, given.slice(at))) || matches(rest, [])
  }
  return given.length > 0 && (head === '*' || head === given[0]) && matches(rest, given.slice(1))
}
