import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { counter } from '@murmuration/crdt'
import type { Clock, Random } from '@murmuration/interface'
import { createMembership } from '@murmuration/membership'
import { createLocalRpc } from '@murmuration/rpc'
import { openLevelStore } from '@murmuration/storage'
import { expect, test } from 'vitest'
import { createState } from '../src/index.ts'

const schema = { total: counter() }
const record = { id: 'test/doc/a', placement: 'hash', replicas: 3 } as const

const clock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
  schedule: (delayMs, task) => {
    const timer = setTimeout(task, delayMs)
    return () => clearTimeout(timer)
  }
}
const random: Random = {
  next: () => Math.random(),
  bytes: (length) => crypto.getRandomValues(new Uint8Array(length))
}

async function open(path: string) {
  const store = await openLevelStore({ path })
  const rpc = createLocalRpc({ peer: 'solo' })
  await rpc.start()
  const membership = createMembership({ rpc, store, clock, random }, { cluster: 'test' })
  await membership.start()
  const state = createState({ rpc, membership, store, clock, random })
  await state.start()
  return {
    state,
    close: async () => {
      await state.stop()
      await membership.stop()
      await rpc.stop()
      await store.close()
    }
  }
}

test('a single peer finds its documents on a real disk after a restart', async () => {
  const path = await mkdtemp(join(tmpdir(), 'murmuration-state-'))
  try {
    const first = await open(path)
    const document = await first.state.own(record)
    const commits = Array.from({ length: 300 }, async (_, at) => {
      const { draft, operations } = document.document.draft(schema)
      draft.total.increment()
      const key = { session: 's', sequence: at, lowest: 0 }
      return document.commit(operations, { key })
    })
    for (const commit of await Promise.all(commits)) {
      expect(commit.copies).toBe(1)
    }
    await first.close()
    const second = await open(path)
    const reading = await second.state.read(record)
    expect(reading.document.value(schema).total).toBe(300)
    const again = await second.state.own(record)
    expect(again.epoch.boot).toBeGreaterThan(document.epoch.boot)
    const known = again.lookup({ session: 's', sequence: 299, lowest: 0 })
    expect(known.status).toBe('known')
    await second.close()
  } finally {
    await rm(path, { recursive: true, force: true })
  }
})
