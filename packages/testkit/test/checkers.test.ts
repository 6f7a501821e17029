import { describe, expect, test } from 'vitest'
import {
  assertHolds,
  checkAppendLists,
  checkConvergence,
  checkFencing,
  checkSessions,
  createHistory,
  ViolationError
} from '../src/index.ts'
import type { History, ListInput, ListOutput, SessionOperation, Violation } from '../src/index.ts'

const rulesOf = (violations: readonly Violation[]): string[] => {
  return [...new Set(violations.map(({ rule }) => rule))]
}

describe('lists that only grow', () => {
  type Lists = History<ListInput, ListOutput>
  const lists = (): Lists => createHistory<ListInput, ListOutput>()
  const append = (history: Lists, element: string) => {
    return history.invoke('a', 'l', { kind: 'append', element })
  }
  const read = (history: Lists) => history.invoke('r', 'l', { kind: 'read' })
  const found = ({ operations }: Lists): string[] => rulesOf(checkAppendLists(operations))

  test('hold with late and lost appends of unknown outcome', () => {
    const history = lists()
    append(history, '1').ok({ list: ['1'] })
    append(history, '2')
    append(history, '3')
    read(history).ok({ list: ['1'] })
    append(history, '4').ok({ list: ['1', '2', '4'] })
    const early = read(history)
    append(history, '5').ok({})
    early.ok({ list: ['1', '2', '4'] })
    read(history).ok({ list: ['1', '2', '4', '5'] })
    expect(found(history)).toEqual([])
  })

  test('that branch are found', () => {
    const history = lists()
    append(history, '1').ok({ list: ['1'] })
    append(history, '2').ok({ list: ['2'] })
    read(history).ok({ list: ['1', '2'] })
    expect(found(history)).toContain('observed lists are prefixes of each other')
  })

  test('with an element twice, or one that nobody appended, are found', () => {
    const twice = lists()
    append(twice, '1').ok({})
    read(twice).ok({ list: ['1', '1'] })
    expect(found(twice)).toEqual(['no element is there twice'])
    const invented = lists()
    read(invented).ok({ list: ['1'] })
    expect(found(invented)).toEqual(['only what was appended is there'])
    const failed = lists()
    append(failed, '1').failed()
    read(failed).ok({ list: ['1'] })
    expect(found(failed)).toEqual(['only what was appended is there'])
  })

  test('that lose an acknowledged element are found, once somebody reads after it', () => {
    const history = lists()
    const early = read(history)
    append(history, '1').ok({})
    early.ok({ list: [] })
    expect(found(history)).toEqual([])
    read(history).ok({ list: [] })
    expect(found(history)).toEqual(['every acknowledged element is there'])
  })

  test('that go back in real time are found', () => {
    const history = lists()
    append(history, '1').ok({})
    append(history, '2').ok({})
    read(history).ok({ list: ['1', '2'] })
    read(history).ok({ list: ['1'] })
    expect(found(history)).toEqual(['observations are monotone in real time'])
  })

  test('with acknowledged elements in another order than real time are found', () => {
    const history = lists()
    append(history, '1').ok({})
    append(history, '2').ok({})
    read(history).ok({ list: ['2', '1'] })
    expect(found(history)).toEqual(['the order keeps real time'])
  })

  test('that show an element before it was appended are found', () => {
    const history = lists()
    read(history).ok({ list: ['1'] })
    append(history, '1').ok({})
    expect(found(history)).toContain('nothing is seen before its time')
  })

  test('of twenty thousand operations are checked in well under a second', () => {
    const history = lists()
    const list: string[] = []
    for (let at = 0; at < 20_000; at++) {
      list.push(`${at}`)
      append(history, `${at}`).ok({})
    }
    read(history).ok({ list })
    const began = performance.now()
    expect(found(history)).toEqual([])
    expect(performance.now() - began).toBeLessThan(2000)
  })
})

describe('sessions', () => {
  const found = (operations: readonly SessionOperation[]): string[] => {
    return rulesOf(checkSessions(operations))
  }
  const write = (session: string, writer: string, number: number, versions = {}) => {
    return { session, write: { writer, number }, versions: { ...versions, [writer]: number } }
  }
  const read = (session: string, versions = {}) => ({ session, versions })

  test('keep their guarantees over different replicas', () => {
    expect(
      found([
        write('s', 'a', 1),
        read('s', { a: 1 }),
        write('t', 'b', 1, { a: 1 }),
        read('t', { a: 1, b: 1 }),
        read('u', {}),
        read('u', { a: 1 })
      ])
    ).toEqual([])
  })

  test('that do not read their own writes are found', () => {
    expect(found([write('s', 'a', 1), read('s', {})])).toEqual(['read your writes'])
  })

  test('whose reads go back are found', () => {
    const operations = [read('s', { a: 2 }), read('s', { a: 1 })]
    expect(found(operations)).toEqual(['monotonic reads'])
  })

  test('whose second write is seen without the first are found', () => {
    const operations = [write('s', 'a', 1), write('s', 'b', 1, { a: 1 }), read('t', { b: 1 })]
    expect(found(operations)).toEqual(['monotonic writes'])
  })

  test('whose write is seen without what they had read are found', () => {
    const operations = [
      read('s', { c: 3 }),
      write('s', 'a', 1, { c: 3 }),
      read('t', { a: 1, c: 2 })
    ]
    expect(found(operations)).toEqual(['writes follow reads'])
  })
})

describe('replicas', () => {
  const replica = (name: string, ...elements: string[]) => {
    return { name, bytes: new TextEncoder().encode(elements.join()), elements }
  }
  const found = (...args: Parameters<typeof checkConvergence>) => rulesOf(checkConvergence(...args))

  test('that are equal and have all have converged', () => {
    const replicas = [replica('a', '1', '2'), replica('b', '1', '2')]
    const history = { added: ['1', '2', '3', '4'], removed: ['3'], perhapsRemoved: ['4'] }
    expect(found(replicas, history)).toEqual([])
  })

  test('that differ by a byte are found', () => {
    const other = { ...replica('b', '1'), bytes: new TextEncoder().encode('1 ') }
    expect(found([replica('a', '1'), other])).toEqual(['replicas are equal'])
  })

  test('that lost an acknowledged addition, or show a removed one, are found', () => {
    const replicas = [replica('a', '2')]
    expect(found(replicas, { added: ['1'], removed: ['2'] })).toEqual([
      'acknowledged additions stay',
      'removals do not come back'
    ])
  })
})

describe('claims', () => {
  const claim = (owner: string, epoch: number, invokedAt: number, returnedAt = invokedAt + 1) => {
    return { key: 'k', owner, epoch, invokedAt, returnedAt }
  }
  const found = (...args: Parameters<typeof checkFencing>) => rulesOf(checkFencing(...args))
  const effect = (epoch: number) => ({ key: 'k', epoch })

  test('with rising epochs hold, and overlapping ones in any order', () => {
    const claims = [claim('a', 1, 0), claim('b', 3, 2, 9), claim('c', 2, 3, 8)]
    expect(found(claims, [1, 2, 2, 3].map(effect))).toEqual([])
  })

  test('of one epoch by two owners are found', () => {
    expect(found([claim('a', 1, 0, 9), claim('b', 1, 2)])).toEqual(['one claim for each epoch'])
  })

  test('whose epoch does not rise in real time are found', () => {
    expect(found([claim('a', 2, 0), claim('b', 1, 5)])).toEqual(['epochs rise in real time'])
  })

  test('whose effects are accepted late, or without a claim, are found', () => {
    const claims = [claim('a', 1, 0), claim('b', 2, 2)]
    expect(found(claims, [2, 1].map(effect))).toEqual(['effects are in the order of epochs'])
    expect(found(claims, [effect(3)])).toEqual(['effects need a claim'])
  })
})

test('what does not hold is thrown with its rule, and how many more there are', () => {
  const violation = { rule: 'replicas are equal', detail: 'b differs from a' }
  expect(() => assertHolds([])).not.toThrow()
  expect(() => assertHolds([violation, violation])).toThrow(ViolationError)
  expect(() => assertHolds([violation, violation])).toThrow(
    'replicas are equal: b differs from a (and 1 more)'
  )
})
