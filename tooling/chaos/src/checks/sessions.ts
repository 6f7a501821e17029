import { checkSessions } from '@murmuration/testkit'
import { byKey } from './group.ts'
import type { Operation } from '../protocol.ts'

/** The session guarantees, for each agent by itself: a session has one version of each. */
export function checkDiaries(operations: readonly Operation[]): string[] {
  const seen = operations.filter(({ kind, outcome }) => kind === 'diary' && outcome === 'ok')
  return [...byKey(seen, ({ key }) => key)].flatMap(([key, all]) => {
    const ordered = all.toSorted((a, b) => a.begun - b.begun)
    const checked = ordered.map(({ client, life, name, versions = {} }) => {
      const session = `${client}.${life}`
      const [writer = '', number = ''] = name.split(':')
      return name === ''
        ? { session, versions }
        : { session, versions, write: { writer, number: Number(number) } }
    })
    return checkSessions(checked).map(({ rule, detail }) => `${rule}: ${key} ${detail}`)
  })
}
