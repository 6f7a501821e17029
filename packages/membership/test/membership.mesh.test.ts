import { spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, expect, test } from 'vitest'

const script = fileURLToPath(new URL('mesh-member.ts', import.meta.url))
const count = 5

/** What a process has told so far. */
interface Peer {
  readonly process: ChildProcess
  peer: string
  address: string
  number: number
  settled: number
  members: readonly string[]
}

let directory = ''
const peers: Peer[] = []

async function until(what: string, holds: () => boolean, timeoutMs = 30_000): Promise<number> {
  const from = performance.now()
  while (!holds()) {
    if (performance.now() - from > timeoutMs) {
      const shown = peers.map(({ number, members }) => `${number}: ${members.length}`)
      throw new Error(`not within ${timeoutMs} ms: ${what} (${shown.join(', ')})`)
    }
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
  return performance.now() - from
}

async function start(contact: string | undefined): Promise<Peer> {
  const path = join(directory, String(peers.length))
  const options = { path, ...(contact !== undefined && { contact }) }
  const child = spawn(process.execPath, [script, JSON.stringify(options)], {
    stdio: ['ignore', 'pipe', 'inherit']
  })
  const peer: Peer = { process: child, peer: '', address: '', number: 0, settled: 0, members: [] }
  createInterface({ input: child.stdout }).on('line', (line) => {
    Object.assign(peer, JSON.parse(line))
  })
  peers.push(peer)
  await until('a process tells its address', () => peer.address !== '')
  return peer
}

function isOneView(of: readonly Peer[]): boolean {
  const expected = of
    .map(({ peer }) => peer)
    .toSorted()
    .join()
  return of.every(({ number, members }) => {
    return number === of[0]?.number && members.join() === expected
  })
}

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'membership-'))
  const first = await start(undefined)
  await Promise.all(Array.from({ length: count - 1 }, () => start(first.address)))
  await until('all are in one view', () => isOneView(peers))
  const number = peers[0]?.number
  await until('the view is settled', () => peers.every(({ settled }) => settled === number))
})

afterAll(async () => {
  for (const { process: child } of peers) {
    child.kill('SIGKILL')
  }
  await rm(directory, { recursive: true, force: true })
})

test('a process that is stopped for 3 s stays in the view', async () => {
  const number = peers[0]?.number
  const victim = peers[3]
  victim?.process.kill('SIGSTOP')
  await new Promise((resolve) => setTimeout(resolve, 3000))
  victim?.process.kill('SIGCONT')
  await new Promise((resolve) => setTimeout(resolve, 3000))
  expect(peers.map((peer) => peer.number)).toEqual(peers.map(() => number))
})

test('a killed process is out of the view within a second', async () => {
  const [victim] = peers.splice(2, 1)
  victim?.process.kill('SIGKILL')
  const took = await until('the killed one is out', () => isOneView(peers))
  console.log(`kill -9 to a view without it on all ${peers.length}: ${took.toFixed(0)} ms`)
  expect(took).toBeLessThan(1000)
})
