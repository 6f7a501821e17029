import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createMembership } from '@murmuration/membership'
import { createLocalRpc } from '@murmuration/rpc'
import { openLevelStore } from '@murmuration/storage'
import { systemClock as clock, systemRandom as random } from '@murmuration/system'
import { expect, test } from 'vitest'
import { createRegisters } from '../src/index.ts'

async function open(path: string) {
  const store = await openLevelStore({ path })
  const rpc = createLocalRpc({ peer: 'solo' })
  await rpc.start()
  const membership = createMembership(
    { rpc, store, clock, random },
    { cluster: 'test', reporters: ['registers'] }
  )
  await membership.start()
  const registers = createRegisters({ rpc, membership, store, clock, random })
  await registers.start()
  return {
    membership,
    registers,
    close: async () => {
      await registers.stop()
      await membership.stop()
      await rpc.stop()
      await store.close()
    }
  }
}

test('a single peer finds its registers on a real disk after a restart', async () => {
  const path = await mkdtemp(join(tmpdir(), 'murmuration-consensus-'))
  const key = (at: number) => ({ id: `test/counter/${at % 20}`, replicas: 3 })
  try {
    const first = await open(path)
    const changes = Array.from({ length: 400 }, (_, at) =>
      first.registers.change(key(at), (value) => Uint8Array.of((value?.[0] ?? 0) + 1))
    )
    for (const outcome of await Promise.all(changes)) {
      expect(outcome.status).toBe('committed')
    }
    const deleted = await first.registers.change(key(0), () => undefined)
    expect(deleted).toMatchObject({ status: 'committed', previous: Uint8Array.of(20) })
    await first.close()
    const second = await open(path)
    const [gone, kept] = await Promise.all([
      second.registers.read(key(0)),
      second.registers.read(key(1))
    ])
    expect(gone).toMatchObject({ status: 'committed', value: undefined })
    expect(kept).toMatchObject({ status: 'committed', value: Uint8Array.of(20) })
    await second.close()
  } finally {
    await rm(path, { recursive: true, force: true })
  }
})
