import { checkAppendLists } from '@murmuration/testkit'
import type { ListInput, ListOutput, Operation as Checked } from '@murmuration/testkit'
import type { Operation } from '../protocol.ts'

/** What lists would have to look like if each append were one moment, in real time. */
export function checkLists(begun: readonly Operation[], ended: readonly Operation[]): string[] {
  const isDone = new Set(ended.filter(isAppend).map(({ name }) => name))
  const open = begun.filter((each) => isAppend(each) && !isDone.has(each.name))
  const all = [...ended.filter(({ kind }) => kind === 'journal'), ...open]
  return checkAppendLists(all.map(checkedOf)).map(({ rule, detail }) => `${rule}: ${detail}`)
}

function isAppend({ kind, action }: Operation): boolean {
  return kind === 'journal' && action === 'append'
}

function checkedOf(operation: Operation): Checked<ListInput, ListOutput> {
  const { client, life, key, action, name, begun, ms, outcome, list } = operation
  return {
    client: `${client}.${life}`,
    key,
    input: action === 'append' ? { kind: 'append', element: name } : { kind: 'read' },
    outcome:
      outcome === 'ok'
        ? { status: 'ok', output: list === undefined ? {} : { list } }
        : { status: outcome === 'failed' ? 'failed' : 'unknown' },
    invokedAt: begun,
    returnedAt: outcome === 'ok' || outcome === 'failed' ? begun + ms : Infinity,
    invokedMs: begun
  }
}
