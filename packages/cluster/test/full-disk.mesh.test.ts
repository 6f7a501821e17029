import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync, statfsSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { defineAgent } from '@murmuration/agent'
import { createCluster } from '@murmuration/cluster'
import type { Cluster } from '@murmuration/cluster'
import { counter, set } from '@murmuration/crdt'
import { expect, test } from 'vitest'
import { z } from 'zod'

/*
 * A real disk that is full: a tmpfs of a few megabytes under the data directory of one peer. Only root
 * may mount one; the simulated disk of packages/state/test/full-disk.test.ts needs nobody's leave.
 */

const DISK_MB = 24

const box = defineAgent({
  type: 'box',
  state: { count: counter(), names: set<string>() },
  actions: {
    put: {
      input: z.string(),
      output: z.number(),
      run: ({ input, state }) => {
        state.count.increment()
        state.names.add(input)
        return state.count.value
      }
    }
  }
})

function mount(path: string): string | undefined {
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${DISK_MB}m`, 'test', path], {
      stdio: 'pipe'
    })
    return undefined
  } catch (error) {
    return String(error).split('\n')[0]
  }
}

function open(dataDir: string): Promise<Cluster> {
  return createCluster({ name: 'full', agents: [box], distributed: false, dataDir })
}

/** Leaves less room than one more update takes. */
function fill(path: string): void {
  const filler = join(path, 'filler')
  for (let size = 1_048_576; size >= 512; size /= 2) {
    try {
      for (;;) writeFileSync(filler, Buffer.alloc(size), { flag: 'a' })
    } catch {
      // Full for pieces of this size: now smaller ones.
    }
  }
  expect(statfsSync(path).bavail).toBe(0)
}

test('with a full disk updates are refused by name and reads go on; nothing acknowledged is lost', async (context) => {
  const path = mkdtempSync(join(tmpdir(), 'full-disk-'))
  const refused = mount(path)
  if (refused !== undefined) {
    rmSync(path, { recursive: true, force: true })
    context.skip(`no small disk can be mounted here: ${refused}`)
  }
  try {
    const peer = await open(path)
    await peer.ready()
    const ref = peer.agent(box, 'one')
    const acknowledged: string[] = []
    const put = async (name: string): Promise<void> => {
      await ref.call('put', name, { timeoutMs: 3_000 })
      acknowledged.push(name)
    }
    for (let at = 0; at < 20; at++) await put(`before ${at}`)
    fill(path)
    const errors: string[] = []
    for (let at = 0; at < 8; at++) {
      const large = `full ${at} ${'x'.repeat(60_000)}`
      await put(large).catch((error: Error) => errors.push(error.name))
    }
    // The one that met the full disk was applied, so its outcome is not known; later ones are refused.
    expect(errors.filter((name) => name === 'StorageError').length).toBeGreaterThanOrEqual(4)
    expect(new Set(errors).size).toBeLessThanOrEqual(2)
    const { value } = await ref.state()
    expect(value.names).toEqual(expect.arrayContaining(acknowledged))

    // The disk is tried again and again: no restart is needed.
    rmSync(join(path, 'filler'))
    await expect.poll(() => put('room').then(() => 'put', String), { timeout: 15_000 }).toBe('put')
    await peer.stop()

    const again = await open(path)
    await again.ready()
    const back = await again.agent(box, 'one').state()
    expect(back.value.names).toEqual(expect.arrayContaining(acknowledged))
    expect(await again.agent(box, 'one').call('put', 'after')).toBe(back.value.count + 1)
    await again.stop()
  } finally {
    execFileSync('umount', ['-l', path])
    rmSync(path, { recursive: true, force: true })
  }
}, 60_000)
