import { spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import type { Reachability } from '@murmuration/interface'

const script = fileURLToPath(new URL('mesh-member.ts', import.meta.url))

/** What one member process has told so far, in its present life. */
export interface MemberProcess {
  readonly index: number
  process: ChildProcess
  peer: string
  address: string
  number: number
  settled: number
  members: readonly string[]
  held: boolean
  /** How it sees others, where not as reachable. */
  readonly sees: Map<string, Reachability>
  /** Peers that left the view and may be replaced, says it. */
  readonly replaceable: Set<string>
}

/** Members in processes of their own, over real sockets, disks and clocks. */
export class ProcessGroup {
  readonly members: MemberProcess[] = []
  #directory = ''

  async begin(count: number): Promise<void> {
    this.#directory = await mkdtemp(join(tmpdir(), 'membership-'))
    const first = await this.#launch(0)
    // A few at a time: each one shakes hands with all the others.
    for (let index = 1; index < count; index += 4) {
      const some = Array.from({ length: Math.min(4, count - index) }, (_, offset) => index + offset)
      await Promise.all(some.map((other) => this.#launch(other, first.address)))
      await this.until('the new ones are in', () => this.isOne(), 120_000)
    }
    await this.until('all are settled', () => this.isSettled(), 60_000)
  }

  /** Those that run, all in one view of exactly them. */
  isOne(of: readonly MemberProcess[] = this.members): boolean {
    const expected = of
      .map(({ peer }) => peer)
      .toSorted()
      .join()
    return of.every(({ number, members }) => {
      return number === of[0]?.number && members.join() === expected
    })
  }

  isSettled(of: readonly MemberProcess[] = this.members): boolean {
    return this.isOne(of) && of.every(({ settled, number, held }) => held && settled === number)
  }

  others(member: MemberProcess): readonly MemberProcess[] {
    return this.members.filter((other) => other !== member)
  }

  signal(member: MemberProcess, signal: NodeJS.Signals): void {
    member.process.kill(signal)
  }

  /** Starts a killed member again, with its store and its key. */
  async restart(member: MemberProcess): Promise<void> {
    const [contact] = this.others(member)
    await this.#launch(member.index, contact?.address, member)
  }

  async until(what: string, holds: () => boolean, timeoutMs = 30_000): Promise<number> {
    const from = performance.now()
    while (!holds()) {
      if (performance.now() - from > timeoutMs) {
        const shown = this.members.map(({ number, members }) => `${number}: ${members.length}`)
        throw new Error(`not within ${timeoutMs} ms: ${what} (${shown.join(', ')})`)
      }
      await sleep(5)
    }
    return performance.now() - from
  }

  async end(): Promise<void> {
    for (const { process: child } of this.members) {
      child.kill('SIGKILL')
    }
    await rm(this.#directory, { recursive: true, force: true })
  }

  async #launch(index: number, contact?: string, former?: MemberProcess): Promise<MemberProcess> {
    const path = join(this.#directory, String(index))
    const options = { path, index, ...(contact !== undefined && { contact }) }
    const child = spawn(process.execPath, [script, JSON.stringify(options)], {
      stdio: ['ignore', 'pipe', 'inherit']
    })
    const blank = { address: '', number: 0, settled: 0, members: [], held: false }
    const sees = new Map<string, Reachability>()
    const replaceable = new Set<string>()
    const member: MemberProcess = Object.assign(former ?? { index, peer: '', sees, replaceable }, {
      ...blank,
      process: child
    })
    member.sees.clear()
    member.replaceable.clear()
    createInterface({ input: child.stdout }).on('line', (line) => hear(member, child, line))
    if (former === undefined) {
      this.members.push(member)
    }
    await this.until('a process tells its address', () => member.address !== '', 60_000)
    return member
  }
}

/** What `mesh-member.ts` tells in one line. */
interface Told {
  readonly members?: readonly string[]
  readonly replaceable?: string
  readonly seen?: { readonly peer: string; readonly reachability: Reachability }
}

function hear(member: MemberProcess, child: ChildProcess, line: string): void {
  if (member.process !== child) {
    return
  }
  // Written by the script beside this file.
  const { replaceable, seen, ...state } = JSON.parse(line) as Told
  Object.assign(member, state)
  if (replaceable !== undefined) {
    member.replaceable.add(replaceable)
  }
  if (seen !== undefined) {
    member.sees.set(seen.peer, seen.reachability)
  }
  for (const peer of state.members ?? []) {
    member.replaceable.delete(peer)
  }
}

export function sleep(durationMs: number): Promise<void> {
  return new Promise((resolve) => {
    setTimeout(resolve, durationMs)
  })
}
