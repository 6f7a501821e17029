import { lww } from '@murmuration/crdt'
import { expect, test } from 'vitest'
import { DocumentCopy } from '../../src/core/document-copy.ts'
import { encodeState } from '../../src/core/messages.ts'

const FIELDS = Array.from({ length: 20 }, (_, at) => `key${at}`)
const schema = Object.fromEntries(FIELDS.map((name) => [name, lww<number | string>()]))
const record = { id: 'test/doc/a', placement: 'hash', replicas: 3 } as const
/** More before the test command as STATE_UPDATES. */
const updates = Number(process.env['STATE_UPDATES'] ?? 4_000)
/** Updates that wait until their replicas and their client have confirmed them. */
const OPEN = 32

test('a document has the size of its content, however often that was written', () => {
  const copy = new DocumentCopy(record)
  const epoch = { view: 1, boot: 1 }
  let largest = 0
  for (let sequence = 0; sequence < updates; sequence++) {
    const { draft, operations } = copy.live.draft(schema)
    const name = FIELDS[sequence % FIELDS.length]!
    draft[name]!.set(sequence % 2 === 0 ? sequence : `value ${sequence % 100}`)
    copy.execute({
      operations,
      writer: copy.writer(() => 'peer#1#1#1'),
      time: { time: 1.8e12 + sequence, tick: 0 },
      epoch,
      key: { session: 'one', sequence },
      result: new Uint8Array(0),
      deltaBytesMax: 1_000
    })
    if ((sequence + 1) % OPEN !== 0) continue
    copy.fold([copy.planFold('one', sequence + 1, epoch)])
    copy.takeChanges()
    largest = Math.max(largest, encodeState(copy.state()).length)
  }
  expect(copy.entryCount).toBeLessThan(OPEN)
  expect(largest).toBeLessThan(2_000)
  expect(copy.live.encode().length).toBeLessThan(2_000)
}, 3_600_000)
