import type { ChildProcess } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { mkdir, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { SetKind } from './agents.ts'
import type { Network, Place } from './network.ts'
import type { FromPeer, Heard, Operation, PeerInit, Reading, ToPeer } from './protocol.ts'
import { World } from './world.ts'

const START_MS = 120_000
const READ_MS = 15_000
const ERROR_TEXT_MAX = 4_096
const SCRIPT = fileURLToPath(new URL('peer.ts', import.meta.url))

export type Status = Extract<FromPeer, { kind: 'status' }>

export interface HerdPeer {
  readonly index: number
  readonly place: Place
  readonly dataDir: string
  process: ChildProcess | undefined
  peer: string
  addresses: readonly string[]
  isReady: boolean
  status: Status | undefined
  errorText: string
}

/** What one process was given of signals, in its order. */
export interface Ear {
  readonly peer: number
  readonly heard: Heard[]
  /** When its durable subscription was known to all; undefined: not yet. */
  subscribedMs: number | undefined
  /** When it ended; undefined: it runs. */
  endedMs: number | undefined
}

export interface HerdInit {
  readonly network: Network
  readonly keys: number
  readonly paceMs: number
  /** @default a new one */
  readonly secret?: string
  /** Keeps the disks of the peers here. @default a temporary folder, which is removed */
  readonly folder?: string | undefined
}

/** The peers of one run: starts, breaks and asks them, and keeps what their clients saw. */
export class Herd {
  readonly network: Network
  readonly secret: string
  readonly peers = new Map<number, HerdPeer>()
  /** All operations of all clients: the log outside of the cluster. */
  readonly operations: Operation[] = []
  /** Writes that were sent, whatever became of them. */
  readonly begun: Operation[] = []
  /** Processes that hear signals, in the order in which they were started. */
  readonly ears: Ear[] = []
  /** Peers whose disks were wiped: they forget what they had subscribed to. */
  readonly wiped = new Set<number>()
  readonly world = new World()
  readonly heals: { readonly peer: number; readonly durationMs: number }[] = []
  readonly #init: HerdInit
  readonly #answers = new Map<number, (answer: Extract<FromPeer, { kind: 'answer' }>) => void>()
  #folder: string | undefined
  #asked = 0
  #isEnding = false

  constructor(init: HerdInit) {
    this.#init = init
    this.network = init.network
    this.secret = init.secret ?? randomBytes(16).toString('hex')
    this.#folder = init.folder
  }

  get up(): readonly HerdPeer[] {
    return [...this.peers.values()].filter((peer) => peer.process !== undefined)
  }

  /** Starts peers until there are so many, and waits until all are in one view. */
  async start(count: number): Promise<void> {
    this.#folder ??= await mkdtemp(join(tmpdir(), 'chaos-'))
    const indices = Array.from({ length: count }, (_, at) => at + 1)
    const fresh = indices.filter((index) => !this.peers.has(index))
    const [first, ...others] = fresh
    if (first === undefined) return
    // The first one of all founds the cluster; later ones join at once.
    if (this.peers.size === 0) await this.#launch(await this.#add(first))
    else others.unshift(first)
    const added = await Promise.all(others.map((index) => this.#add(index)))
    await Promise.all(added.map((peer) => this.#launch(peer)))
    await this.whole(START_MS)
  }

  async #add(index: number): Promise<HerdPeer> {
    const place = await this.network.place(index)
    const dataDir = join(this.#folder ?? '', `peer-${index}`)
    const peer: HerdPeer = {
      index,
      place,
      dataDir,
      process: undefined,
      peer: '',
      addresses: [],
      isReady: false,
      status: undefined,
      errorText: ''
    }
    this.peers.set(index, peer)
    return peer
  }

  /** Resolves when the process can be dialled. */
  async #launch(peer: HerdPeer): Promise<void> {
    await mkdir(peer.dataDir, { recursive: true })
    const { listen, announce, from } = peer.place
    const bootstrap = this.up
      .filter(({ index }) => index !== peer.index)
      .flatMap((p) => p.addresses)
    const init: PeerInit = {
      index: peer.index,
      secret: this.secret,
      listen,
      announce,
      bootstrap,
      dataDir: peer.dataDir,
      from,
      keys: this.#init.keys,
      paceMs: this.#init.paceMs
    }
    await this.network.setUp(peer.index, true)
    const child = this.network.spawn(peer.index, process.execPath, [SCRIPT], {
      env: { ...process.env, MURMURATION_CHAOS_PEER: JSON.stringify(init) },
      stdio: ['ignore', 'ignore', 'pipe', 'ipc']
    })
    peer.process = child
    peer.isReady = false
    const ear: Ear = { peer: peer.index, heard: [], subscribedMs: undefined, endedMs: undefined }
    this.ears.push(ear)
    child.once('exit', () => (ear.endedMs = Date.now()))
    child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      peer.errorText = (peer.errorText + text).slice(-ERROR_TEXT_MAX)
    })
    await new Promise<void>((resolve, reject) => {
      const late = setTimeout(() => reject(new Error(`peer ${peer.index} did not start`)), START_MS)
      child.on('message', (message) => {
        const told = message as FromPeer // sent by peer.ts of the same program
        if (told.kind === 'listening') resolve(clearTimeout(late))
        if (told.kind === 'failed') reject(new Error(`peer ${peer.index}: ${told.reason}`))
        this.#hear(peer, ear, told)
      })
      child.once('exit', () => {
        clearTimeout(late)
        if (peer.process === child) peer.process = undefined
        reject(new Error(`peer ${peer.index} ended: ${peer.errorText.trim().slice(-500)}`))
      })
    })
  }

  #hear(peer: HerdPeer, ear: Ear, told: FromPeer): void {
    switch (told.kind) {
      case 'listening':
        peer.peer = told.peer
        peer.addresses = told.addresses
        return
      case 'ready':
        peer.isReady = true
        return
      case 'operations':
        for (const operation of told.operations) {
          if (operation.outcome === 'begun') this.begun.push(operation)
          else this.operations.push(operation)
        }
        return
      case 'status':
        peer.status = told
        return
      case 'effect': {
        const taken = this.world.take(peer.index, told.effect)
        this.send({ kind: 'effect-taken', id: told.id, taken }, [peer])
        return
      }
      case 'heard':
        ear.heard.push(...told.heard)
        return
      case 'subscribed':
        ear.subscribedMs = Date.now()
        return
      case 'healed':
        this.heals.push({ peer: peer.index, durationMs: told.durationMs })
        return
      case 'answer':
        this.#answers.get(told.id)?.(told)
        return
      case 'failed':
        peer.errorText += told.reason
    }
  }

  /** Waits until every process that runs is in one view of exactly those, and settled in it. */
  async whole(withinMs: number): Promise<void> {
    const isWhole = (): boolean => {
      const all = this.up
      const [first] = all
      return all.every(
        ({ isReady, status }) =>
          isReady &&
          status !== undefined &&
          status.members === all.length &&
          status.view === first?.status?.view &&
          status.settled === status.view &&
          status.standing === 'whole'
      )
    }
    const late = Date.now() + withinMs
    while (!isWhole()) {
      if (Date.now() > late) {
        const seen = this.up.map(
          ({ index, status, isReady }) =>
            `${index}${isReady ? '' : ' (not ready)'}: view ${status?.view} of ${status?.members}, settled ${status?.settled} (waits for: ${status?.unreported}; ${status?.unsettled} documents), ${status?.standing}`
        )
        throw new Error(`not whole within ${withinMs} ms: ${seen.join('; ')}`)
      }
      await wait(50)
    }
  }

  /** Ends the load, and waits until no operation is under way. */
  async rest(withinMs: number): Promise<void> {
    this.send({ kind: 'rest' })
    const late = Date.now() + withinMs
    // A status that was told before the end of the load says nothing.
    for (const peer of this.up) peer.status = undefined
    while (this.up.some(({ status }) => (status?.busy ?? 1) > 0)) {
      if (Date.now() > late) throw new Error('operations do not end')
      await wait(50)
    }
  }

  send(message: ToPeer, to: readonly HerdPeer[] = this.up): void {
    for (const { process: child } of to) if (child?.connected === true) child.send(message)
  }

  /** SIGKILL: what was not synced is lost, and its clients with it. */
  async kill(index: number): Promise<void> {
    const peer = this.peers.get(index)
    const child = peer?.process
    if (peer === undefined || child === undefined) return
    peer.process = undefined
    const ended = new Promise<void>((resolve) => child.once('exit', () => resolve()))
    child.kill('SIGKILL')
    await this.network.setUp(index, false)
    await ended
  }

  async wipe(index: number): Promise<void> {
    const peer = this.peers.get(index)
    if (peer?.process === undefined && peer !== undefined) {
      this.wiped.add(index)
      await rm(peer.dataDir, { recursive: true, force: true })
    }
  }

  async restart(index: number): Promise<void> {
    const peer = this.peers.get(index)
    if (peer !== undefined && peer.process === undefined) await this.#launch(peer)
  }

  freeze(index: number): void {
    this.peers.get(index)?.process?.kill('SIGSTOP')
  }

  thaw(index: number): void {
    this.peers.get(index)?.process?.kill('SIGCONT')
  }

  /** Leaves in order. */
  async drain(index: number): Promise<void> {
    const peer = this.peers.get(index)
    const child = peer?.process
    if (peer === undefined || child === undefined) return
    const ended = new Promise<void>((resolve) => child.once('exit', () => resolve()))
    peer.process = undefined
    child.send({ kind: 'drain' } satisfies ToPeer)
    await ended
    await this.network.setUp(index, false)
  }

  /** Reads an agent on one peer: from its owner, or the copy that this peer holds or finds. */
  async read(peer: HerdPeer, of: SetKind, key: string, stale: boolean): Promise<Reading> {
    const id = ++this.#asked
    const answer = await new Promise<Extract<FromPeer, { kind: 'answer' }>>((resolve, reject) => {
      const late = setTimeout(() => reject(new Error(`peer ${peer.index} is silent`)), READ_MS)
      this.#answers.set(id, (told) => resolve((clearTimeout(late), told)))
      this.send({ kind: 'read', id, of, key, stale }, [peer])
    }).finally(() => this.#answers.delete(id))
    if (answer.reading === undefined) throw new Error(answer.error ?? 'no answer')
    return answer.reading
  }

  async end(): Promise<void> {
    if (this.#isEnding) return
    this.#isEnding = true
    const children = [...this.peers.values()].flatMap(({ process: child }) => child ?? [])
    const ended = children.map(
      (child) => new Promise<void>((resolve) => child.once('exit', () => resolve()))
    )
    for (const child of children) child.kill('SIGKILL')
    await Promise.all(ended)
    await this.network.close()
    const isKept = this.#init.folder !== undefined
    if (this.#folder !== undefined && !isKept) {
      await rm(this.#folder, { recursive: true, force: true })
    }
  }
}

export function wait(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms))
}
