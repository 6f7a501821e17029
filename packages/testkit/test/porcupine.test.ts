import { expect, test } from 'vitest'
import { createHistory, toKeyValueLog, toRegisterLog } from '../src/index.ts'
import type { ListInput, ListOutput, RegisterInput, RegisterOutput } from '../src/index.ts'

/** Golden texts: the patterns of `parseJepsenLog` and `parseKvLog` in Porcupine's tests read them. */
test('a register history is written as Porcupine reads the logs of Jepsen', () => {
  const history = createHistory<RegisterInput, RegisterOutput>()
  const begin = (client: string, input: RegisterInput) => history.invoke(client, 'x', input)
  const reading = begin('a', { kind: 'read' })
  begin('b', { kind: 'write', value: 4 }).ok({})
  reading.ok({ value: undefined })
  begin('a', { kind: 'cas', from: 4, to: 5 }).ok({ swapped: true })
  begin('a', { kind: 'cas', from: 4, to: 6 }).ok({ swapped: false })
  begin('b', { kind: 'write', value: 7 }) // unknown: its process is used no more
  begin('b', { kind: 'write', value: 8 }).failed()
  begin('b', { kind: 'read' }).ok({ value: 5 })
  begin('b', { kind: 'read' })
  expect(toRegisterLog(history.operations).split('\n')).toEqual([
    'INFO  jepsen.util - 0\t:invoke\t:read\tnil',
    'INFO  jepsen.util - 1\t:invoke\t:write\t4',
    'INFO  jepsen.util - 1\t:ok\t:write\t4',
    'INFO  jepsen.util - 0\t:ok\t:read\tnil',
    'INFO  jepsen.util - 0\t:invoke\t:cas\t[4 5]',
    'INFO  jepsen.util - 0\t:ok\t:cas\t[4 5]',
    'INFO  jepsen.util - 0\t:invoke\t:cas\t[4 6]',
    'INFO  jepsen.util - 0\t:fail\t:cas\t[4 6]',
    'INFO  jepsen.util - 0\t:invoke\t:write\t7',
    'INFO  jepsen.util - 1\t:invoke\t:read\tnil',
    'INFO  jepsen.util - 1\t:ok\t:read\t5',
    'INFO  jepsen.util - 1\t:invoke\t:read\tnil',
    'INFO  jepsen.util - 1\t:fail\t:read\t:timed-out',
    ''
  ])
})

test('a register history of other values than whole numbers is refused', () => {
  const history = createHistory<RegisterInput, RegisterOutput>()
  history.invoke('a', 'x', { kind: 'write', value: 'text' }).ok({})
  expect(() => toRegisterLog(history.operations)).toThrow(/whole numbers/)
})

test('a history of lists is written as Porcupine reads key-value logs', () => {
  const history = createHistory<ListInput, ListOutput>()
  const begin = (key: string, input: ListInput) => history.invoke('c', key, input)
  const appending = begin('l', { kind: 'append', element: '1' })
  begin('m', { kind: 'read' }).ok({ list: [] })
  appending.ok({ list: ['1'] })
  begin('l', { kind: 'append', element: '2' })
  begin('l', { kind: 'read' }).ok({ list: ['1', '2'] })
  begin('l', { kind: 'read' })
  expect(toKeyValueLog(history.operations).split('\n')).toEqual([
    '{:process 0, :type :invoke, :f :append, :key "l", :value "1,"}',
    '{:process 1, :type :invoke, :f :get, :key "m", :value nil}',
    '{:process 1, :type :ok, :f :get, :key "m", :value ""}',
    '{:process 0, :type :ok, :f :append, :key "l", :value "1,"}',
    '{:process 0, :type :invoke, :f :append, :key "l", :value "2,"}',
    '{:process 1, :type :invoke, :f :get, :key "l", :value nil}',
    '{:process 1, :type :ok, :f :get, :key "l", :value "1,2,"}',
    ''
  ])
})
