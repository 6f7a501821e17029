import { fork } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { generateKeyPair, privateKeyToProtobuf } from '@libp2p/crypto/keys'
import { encode } from '@murmuration/codec'
import { createIssuer, loadOrCreateKey } from '@murmuration/identity'
import type { Random } from '@murmuration/interface'
import { fuzz, rogue, UnknownKeys } from './hostile.ts'
import type { Attack, Flood } from './hostile.ts'

/** What the attacked process says of itself, after it has answered a call. */
export interface Report {
  readonly count: number
  /** For how long its event loop was held up at most since the last report. */
  readonly stallMs: number
  /** After a collection of garbage. */
  readonly rssMb: number
  /** Of that, what is in use by objects, and by bytes outside of the heap. */
  readonly heapMb: number
  readonly outsideMb: number
  readonly connected: readonly string[]
  /** Peers that its view keeps out. */
  readonly revoked: number
}

/** A peer in a process of its own. */
export class Victim {
  readonly attack: Attack
  readonly #child: ChildProcess

  private constructor(child: ChildProcess, attack: Attack) {
    this.#child = child
    this.attack = attack
  }

  static async start(folder: string): Promise<Victim> {
    const rootKey = await generateKeyPair('Ed25519')
    const dataDir = join(folder, 'victim')
    const key = await loadOrCreateKey(join(dataDir, 'peer.key'))
    const issuer = createIssuer({ cluster: 'fort', privateKey: rootKey })
    const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex')
    const options = {
      dataDir,
      root: hex(rootKey.publicKey.raw),
      certificate: hex(await issuer.issue(key.publicKey, ['member'])),
      rootKey: hex(privateKeyToProtobuf(rootKey))
    }
    const script = fileURLToPath(new URL('victim.ts', import.meta.url))
    const child = fork(script, [JSON.stringify(options)], {
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
      execArgv: [...process.execArgv, '--expose-gc']
    })
    const [addresses] = (await once(child, 'message')) as [string[]]
    return new Victim(child, { cluster: 'fort', addresses, rootKey })
  }

  async report(): Promise<Report> {
    return await this.#ask('report')
  }

  async reset(): Promise<void> {
    await this.#ask('reset')
  }

  async #ask(what: string): Promise<Report> {
    if (this.#child.exitCode !== null) throw new Error(`the peer ended: ${this.#child.exitCode}`)
    const answer = once(this.#child, 'message', { signal: AbortSignal.timeout(20_000) })
    this.#child.send(what)
    const [report] = (await answer) as [Report]
    return report
  }

  async stop(): Promise<void> {
    const exited = once(this.#child, 'exit')
    this.#child.kill('SIGKILL')
    await exited
  }
}

/** What came of rubbish. */
export interface Fuzzed extends Report {
  readonly sent: number
  readonly protocols: readonly string[]
  /** The longest stall by protocol. */
  readonly stalls: ReadonlyMap<string, number>
}

/** Rubbish on every protocol that the peer speaks, from an admitted member. */
export async function fuzzEverything(
  victim: Victim,
  frames: number,
  seed: number
): Promise<Fuzzed> {
  const node = await rogue(victim.attack)
  try {
    const [connection] = node.getConnections()
    if (connection === undefined) throw new Error('the rogue is not connected')
    const { protocols } = await identified(node)
    const random = seededRandom(seed)
    // Frames that are nearly right go deepest.
    const samples = [
      encode({ type: 'hello', version: 1, messageBytesMax: 1_000 }),
      Uint8Array.from([1, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0]),
      encode({ view: 1, members: [], cluster: 'fort' }),
      random.bytes(300)
    ]
    let sent = 0
    const stalls = new Map<string, number>()
    for (const protocol of protocols) {
      // oxlint-disable-next-line no-await-in-loop
      await victim.reset()
      // One after the other, so that a failure names the protocol.
      // oxlint-disable-next-line no-await-in-loop
      sent += await fuzz(node, protocol, Math.ceil(frames / protocols.length), random, samples)
      if (node.getConnections().length === 0) {
        // A muxer may rightly end the connection: in again.
        // oxlint-disable-next-line no-await-in-loop
        await node.dial(connection.remoteAddr)
      }
      // oxlint-disable-next-line no-await-in-loop
      stalls.set(protocol, (await victim.report()).stallMs)
    }
    const stallMs = Math.max(...stalls.values())
    return { ...(await victim.report()), stallMs, sent, protocols, stalls }
  } finally {
    await node.stop()
  }
}

/** What came of a flood, and the reports on the way. */
export interface Flooded extends Report, Flood {
  /** From when a quarter was sent. */
  readonly growthMb: number
}

/**
 * Valid envelopes of keys that nobody knows, sent by an edge peer in so many parts, each of which ends
 * with a report.
 */
export async function floodWithUnknown(
  victim: Victim,
  count: number,
  withinMs: number,
  { parts = 4, note }: { parts?: number; note?: (report: Report & Flood) => void } = {}
): Promise<Flooded> {
  const flood = await UnknownKeys.connect(victim.attack)
  const from = performance.now()
  const reports: Report[] = []
  try {
    for (let part = 1; part <= parts; part++) {
      // oxlint-disable-next-line no-await-in-loop
      await flood.send((count * part) / parts, from + (withinMs * part) / parts)
      // oxlint-disable-next-line no-await-in-loop
      const report = await victim.report()
      reports.push(report)
      note?.({ ...report, ...flood.flood })
    }
  } finally {
    await flood.stop()
  }
  const [first, last] = [reports[Math.ceil(parts / 4) - 1], reports.at(-1)]
  if (first === undefined || last === undefined) throw new Error('a flood has parts')
  return {
    ...last,
    ...flood.flood,
    stallMs: Math.max(...reports.map(({ stallMs }) => stallMs)),
    growthMb: last.rssMb - first.rssMb
  }
}

/** The protocols that the peer says it speaks. */
async function identified(
  node: Awaited<ReturnType<typeof rogue>>
): Promise<{ protocols: string[] }> {
  for (let attempt = 0; attempt < 200; attempt++) {
    const [connection] = node.getConnections()
    if (connection !== undefined) {
      // oxlint-disable-next-line no-await-in-loop
      const { protocols } = await node.peerStore.get(connection.remotePeer)
      if (protocols.length > 0) return { protocols }
    }
    // oxlint-disable-next-line no-await-in-loop
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
  throw new Error('the peer did not say what it speaks')
}

/** Mulberry32: equal seeds give equal runs. */
function seededRandom(seed: number): Random {
  let state = seed >>> 0
  const next = (): number => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
  return { next, bytes: (length) => Uint8Array.from({ length }, () => Math.floor(next() * 256)) }
}
