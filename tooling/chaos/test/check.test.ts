import { describe, expect, it } from 'vitest'
import { check } from '../src/check.ts'
import type { HerdPeer } from '../src/herd.ts'
import type { Operation, Reading } from '../src/protocol.ts'

const peer = (index: number): HerdPeer => ({
  index,
  place: { listen: '', announce: undefined, from: undefined },
  dataDir: '',
  process: undefined,
  peer: '',
  addresses: [],
  isReady: true,
  status: undefined,
  errorText: ''
})

const operation = (
  action: Operation['action'],
  name: string,
  outcome: Operation['outcome'],
  ms = 5
): Operation => ({
  client: 1,
  kind: 'ledger',
  key: 'k',
  action,
  name,
  begun: 0,
  ms,
  stalledMs: 0,
  outcome
})

/** Checks a run in which the clients saw these operations, and every peer holds this. */
function judge(operations: readonly Operation[], ...held: readonly Reading[]) {
  const begun = operations
    .filter(({ action }) => action !== 'size')
    .map((each) => ({ ...each, outcome: 'begun' as const }))
  const up = held.map((_, index) => peer(index))
  const read = async ({ index }: HerdPeer): Promise<Reading> =>
    held[index] ?? { count: 0, names: [] }
  return check({ begun, operations: [...operations], up, read }, new Set(), 0)
}

const nothing = { lost: [], doubled: [], resurrected: [], unequal: [], late: [] }

describe('the checks', () => {
  it('find nothing where everything held', async () => {
    const operations = [
      operation('add', 'a', 'ok'),
      operation('add', 'b', 'unknown'),
      operation('add', 'c', 'failed'),
      operation('add', 'd', 'ok'),
      operation('remove', 'd', 'ok')
    ]
    // What failed or is unknown may have happened or not.
    expect(await judge(operations, { count: 3, names: ['a', 'b'] })).toEqual(nothing)
    expect(await judge(operations, { count: 2, names: ['a'] })).toEqual(nothing)
  })

  it('find what was acknowledged and lost', async () => {
    const { lost } = await judge([operation('add', 'a', 'ok')], { count: 0, names: [] })
    expect(lost).toEqual(['ledger/k a', 'ledger/k counts 0 of 1'])
  })

  it('find what was counted twice, and what nobody wrote', async () => {
    const { doubled } = await judge([operation('add', 'a', 'ok')], { count: 2, names: ['a', 'x'] })
    expect(doubled).toHaveLength(2)
  })

  it('find a removal that came back', async () => {
    const operations = [operation('add', 'a', 'ok'), operation('remove', 'a', 'ok')]
    const { resurrected } = await judge(operations, { count: 1, names: ['a'] })
    expect(resurrected).toEqual(['ledger/k a'])
  })

  it('find copies that differ, and operations beyond their deadline', async () => {
    const { unequal, late } = await judge(
      [operation('add', 'a', 'ok', 20_000)],
      { count: 1, names: ['a'] },
      { count: 0, names: [] }
    )
    expect(unequal).toEqual(['ledger/k'])
    expect(late).toHaveLength(1)
  })
})
