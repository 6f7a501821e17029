import { fork } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterEach, describe, expect, it } from 'vitest'
import type { SignalAnswer, SignalProcessInit, SignalRequest } from './signal-process.ts'

/** One member; it is started again with the same disk after it was killed. */
class Member {
  init: SignalProcessInit
  addresses: readonly string[] = []
  #child: ChildProcess | undefined
  #asked = 0

  constructor(init: SignalProcessInit) {
    this.init = init
  }

  async start(): Promise<this> {
    const script = fileURLToPath(new URL('signal-process.ts', import.meta.url))
    const child = fork(script, [JSON.stringify(this.init)], {
      stdio: ['ignore', 'inherit', 'inherit', 'ipc']
    })
    this.#child = child
    const exited = once(child, 'exit').then(([code]) => {
      throw new Error(`a member ended with code ${String(code)} before it was ready`)
    })
    const [addresses] = (await Promise.race([once(child, 'message'), exited])) as [string[]]
    // A later end is what the test does.
    exited.catch(() => {})
    this.addresses = addresses
    return this
  }

  async ask(request: Omit<SignalRequest, 'id'> = {}): Promise<SignalAnswer> {
    const child = this.#child
    if (child === undefined) throw new Error('the member is not running')
    const id = (this.#asked += 1)
    child.send({ id, ...request })
    for (;;) {
      // oxlint-disable-next-line no-await-in-loop
      const [answer] = (await once(child, 'message', { signal: AbortSignal.timeout(30_000) })) as [
        SignalAnswer & { error?: string }
      ]
      if (answer.error !== undefined) throw new Error(answer.error)
      if (answer.id === id) return answer
    }
  }

  async kill(): Promise<void> {
    const child = this.#child
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return
    const exited = once(child, 'exit')
    child.kill('SIGKILL')
    await exited
  }
}

let folder = ''
let members: Member[] = []

afterEach(async () => {
  await Promise.all(members.map((member) => member.kill()))
  members = []
  await rm(folder, { recursive: true, force: true })
})

async function linesOf(notes: string): Promise<readonly string[]> {
  const text = await readFile(notes, 'utf8').catch(() => '')
  return text.split('\n').filter((line) => line !== '')
}

async function until(
  what: string,
  condition: () => Promise<boolean>,
  timeoutMs: number
): Promise<void> {
  const deadline = performance.now() + timeoutMs
  // Each look takes its time.
  // oxlint-disable no-await-in-loop
  while (!(await condition())) {
    if (performance.now() > deadline) throw new Error(`did not happen in ${timeoutMs} ms: ${what}`)
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
  // oxlint-enable no-await-in-loop
}

describe('signals that are published at least once', () => {
  it('are each handled once or a dead letter, though publisher and receiver are killed', async () => {
    folder = await mkdtemp(join(tmpdir(), 'signals-'))
    const notes = join(folder, 'notes')
    const third = await new Member({ dataDir: join(folder, 'third'), bootstrap: [] }).start()
    members.push(third)
    const bootstrap = third.addresses
    const init = { dataDir: join(folder, 'receiver'), bootstrap, notes }
    const receiver = new Member({ ...init, holds: 45 })
    const publisher = new Member({ dataDir: join(folder, 'publisher'), bootstrap })
    members.push(receiver, publisher)
    await receiver.start()
    await publisher.start()
    await until('three members', async () => (await third.ask()).members === 3, 20_000)

    const accepted: number[] = []
    const publish = async (from: number, to: number): Promise<void> => {
      for (let job = from; job < to; job += 1) {
        // One after the other, as a program that waits for each acceptance.
        // oxlint-disable-next-line no-await-in-loop
        const answer = await publisher.ask({ publish: job })
        if (answer.accepted === true) accepted.push(job)
      }
    }
    await publish(0, 20)
    await publisher.kill()
    await publisher.start()
    await publish(20, 40)

    // In the middle of a handler, so before its acknowledgement.
    const publishing = publish(40, 80)
    const isHeld = async (): Promise<boolean> => (await linesOf(notes)).at(-1) === 'begun 45'
    await until('a handler that runs', isHeld, 30_000)
    // A handler that has ended may run once more until that is written.
    await new Promise((resolve) => setTimeout(resolve, 1_000))
    await receiver.kill()
    receiver.init = init
    await publishing
    await receiver.start()
    await publish(80, 100)
    expect(accepted.length).toBeGreaterThan(80)

    const done = async (): Promise<readonly number[]> =>
      (await linesOf(notes))
        .filter((line) => line.startsWith('done '))
        .map((line) => Number(line.slice(5)))
    const isSettled = async (): Promise<boolean> => {
      const { dead } = await receiver.ask()
      const settled = new Set([...(await done()), ...dead.map(({ job }) => job)])
      return accepted.every((job) => settled.has(job))
    }
    await until('that all are handled or dead', isSettled, 60_000)
    const handled = await done()
    expect(handled).toEqual([...new Set(handled)])
    expect(handled).toEqual(handled.toSorted((a, b) => a - b))
    const { dead } = await receiver.ask()
    const bad = accepted.filter((job) => job % 10 === 9)
    expect(dead.map(({ job }) => job).toSorted((a, b) => a - b)).toEqual(bad)
    for (const { reason } of dead) expect(reason).toMatch(/is bad/)
    // Five processes are started, and a member that was killed is first out of the view.
  }, 120_000)
})
