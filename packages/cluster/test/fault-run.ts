import { fork } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { generateKeyPair, privateKeyToProtobuf } from '@libp2p/crypto/keys'
import { peerIdFromPrivateKey } from '@libp2p/peer-id'
import { createCallGuard } from '@murmuration/resilience'
import { faultNode } from './fault-node.ts'
import type { FaultNode } from './fault-node.ts'

/** One row of the table. */
export interface FaultRow {
  readonly fault: string
  /** What the calls to the faulty peer came to while the fault lasted: names and counts. */
  readonly outcomes: Readonly<Record<string, number>>
  /** 95th percentile of the time until a failed call failed, in ms, from the second second on. */
  readonly failureMs: number
  /**
   * Calls answered by an open circuit: the time of the fastest tenth in ms, because the others also
   * wait for a processor of a busy machine; undefined if there was none.
   */
  readonly openCircuitMs: number | undefined
  /** From the end of the fault to the first good call, in ms; undefined where it does not end. */
  readonly recoveryMs: number | undefined
  /** 95th percentile of calls to another peer meanwhile, in ms, and of those before the fault. */
  readonly othersMs: number
  readonly beforeMs: number
  readonly othersFailed: number
}

interface Server {
  child: ChildProcess
  readonly key: string
  readonly peer: string
  addresses: string[]
}

const script = fileURLToPath(new URL('fault-server.ts', import.meta.url))

async function launch(
  key: string,
  port: number
): Promise<{ child: ChildProcess; addresses: string[] }> {
  const child = fork(script, [JSON.stringify({ key, port })], {
    stdio: ['ignore', 'inherit', 'inherit', 'ipc']
  })
  const [addresses] = (await once(child, 'message')) as [string[]]
  return { child, addresses }
}

async function server(): Promise<Server> {
  const privateKey = await generateKeyPair('Ed25519')
  const key = Buffer.from(privateKeyToProtobuf(privateKey)).toString('hex')
  return { key, peer: peerIdFromPrivateKey(privateKey).toString(), ...(await launch(key, 0)) }
}

async function kill({ child }: Server): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const ended = once(child, 'exit')
  child.kill('SIGKILL')
  await ended
}

const pause = (delayMs: number): Promise<void> =>
  new Promise((resolve) => setTimeout(resolve, delayMs))

const portOf = ({ addresses }: Server): number =>
  Number(/\/tcp\/(\d+)/.exec(addresses[0] ?? '')?.[1])

/** How long a fault is played: the table's own times, or less for a test. */
export interface FaultTimes {
  /** Calls before the fault, for comparison, in ms. */
  readonly beforeMs: number
  /** What a fault lasts that lasts for a time, in ms. */
  readonly lastsMs: number
}

const tableTimes: FaultTimes = { beforeMs: 1_000, lastsMs: 3_000 }

/** What each fault does to the faulty peer; resolves when the fault is over, `false` if never. */
type Fault = (parts: {
  readonly lastsMs: number
  readonly faulty: Server
  readonly client: FaultNode
  readonly keep: () => void
}) => Promise<boolean>

const faults: Readonly<Record<string, { readonly method?: string; readonly cause: Fault }>> = {
  dead: {
    cause: async ({ faulty, lastsMs }) => {
      await kill(faulty)
      await pause(lastsMs)
      return false
    }
  },
  frozen: {
    cause: async ({ faulty, lastsMs }) => {
      faulty.child.kill('SIGSTOP')
      await pause(lastsMs)
      faulty.child.kill('SIGCONT')
      return true
    }
  },
  slow: {
    method: 'slow',
    cause: async ({ lastsMs }) => {
      await pause(lastsMs)
      return true
    }
  },
  overloaded: {
    cause: async ({ faulty, client, lastsMs }) => {
      const until = performance.now() + lastsMs
      const calls: Promise<unknown>[] = []
      while (performance.now() < until) {
        for (let call = 0; call < 40; call++) {
          const limits = { timeoutMs: 1_000 }
          calls.push(
            client.rpc.call(faulty.peer, 'busy', new Uint8Array(64), limits).catch(() => {})
          )
        }
        await pause(20)
      }
      await Promise.all(calls)
      return true
    }
  },
  flapping: {
    cause: async ({ faulty, lastsMs }) => {
      const port = portOf(faulty)
      for (let time = 0; time < lastsMs / 1_000; time++) {
        await kill(faulty)
        await pause(300)
        Object.assign(faulty, await launch(faulty.key, port))
        await pause(300)
      }
      return true
    }
  },
  'address changed': {
    cause: async ({ faulty, keep }) => {
      await kill(faulty)
      Object.assign(faulty, await launch(faulty.key, 0))
      // As the next view, a DNS record or a peer of a peer would say.
      keep()
      return true
    }
  }
}

/** The names of the faults, in the order of the table. */
export const faultNames: readonly string[] = Object.keys(faults)

/** Plays one fault with real processes. */
export async function playFault(
  name: string,
  { beforeMs, lastsMs }: FaultTimes = tableTimes
): Promise<FaultRow> {
  const fault = faults[name]
  if (fault === undefined) throw new Error(`no fault ${name}`)
  const [faulty, healthy] = await Promise.all([server(), server()])
  const client = await faultNode(await generateKeyPair('Ed25519'))
  const keep = (): void => client.discovery.keep([faulty, healthy])
  try {
    keep()
    while (client.discovery.connected().length < 2) await pause(10)
    return await measure(name, fault, { faulty, healthy, client, keep, lastsMs }, beforeMs)
  } finally {
    await client.libp2p.stop()
    await Promise.all([kill(faulty), kill(healthy)])
  }
}

interface Sample {
  readonly at: number
  readonly ms: number
  readonly outcome: string
  readonly isOpen: boolean
}

async function measure(
  name: string,
  fault: { readonly method?: string; readonly cause: Fault },
  parts: {
    faulty: Server
    healthy: Server
    client: FaultNode
    keep: () => void
    lastsMs: number
  },
  beforeMs: number
): Promise<FaultRow> {
  const { faulty, healthy, client } = parts
  const guard = createCallGuard({
    isAlive: async (peer) => (await client.discovery.probe(peer)) === 'alive'
  })
  const samples: Record<'faulty' | 'other', Sample[]> = { faulty: [], other: [] }
  const call = async (to: 'faulty' | 'other', method: string): Promise<void> => {
    const { peer } = to === 'faulty' ? faulty : healthy
    // A machine that is busy with other things must not fail the calls to the healthy one.
    const timeoutMs = to === 'faulty' ? 400 : 5_000
    const at = performance.now()
    const sample = (outcome: string, isOpen = false): void => {
      samples[to].push({ at, ms: performance.now() - at, outcome, isOpen })
    }
    await guard
      .run(peer, method, () => client.rpc.call(peer, method, new Uint8Array(64), { timeoutMs }))
      .then(() => sample('answered'))
      .catch((error: Error) => sample(error.name, guard.isOpenCircuit(error)))
  }
  let method = 'echo'
  // In turn: what is done at once for one call must not count as the time of the other.
  let turn = 0
  const timer = setInterval(() => {
    turn += 1
    void (turn % 2 === 0 ? call('faulty', method) : call('other', 'echo'))
  }, 10)
  try {
    await pause(beforeMs)
    const began = performance.now()
    method = fault.method ?? 'echo'
    const ends = await fault.cause(parts)
    const ended = performance.now()
    method = 'echo'
    let recovered: number | undefined
    while (ends && recovered === undefined && performance.now() - ended < 15_000) {
      await pause(10)
      recovered = samples.faulty.find(
        ({ at, outcome }) => at >= ended && outcome === 'answered'
      )?.at
    }
    await pause(500)
    return rowOf(name, samples, { began, ended, recovered })
  } finally {
    clearInterval(timer)
  }
}

function rowOf(
  fault: string,
  { faulty, other }: Record<'faulty' | 'other', readonly Sample[]>,
  { began, ended, recovered }: { began: number; ended: number; recovered: number | undefined }
): FaultRow {
  const during = faulty.filter(({ at }) => at >= began && at < ended)
  const outcomes: Record<string, number> = {}
  for (const { outcome } of during) outcomes[outcome] = (outcomes[outcome] ?? 0) + 1
  const failed = during.filter(({ at, outcome }) => outcome !== 'answered' && at > began + 1_000)
  const open = during.filter(({ isOpen }) => isOpen).map(({ ms }) => ms)
  const others = other.filter(({ at }) => at >= began && at < ended)
  const before = other.filter(({ at }) => at < began)
  return {
    fault,
    outcomes,
    failureMs: percentile(
      failed.map(({ ms }) => ms),
      0.95
    ),
    openCircuitMs: open.length === 0 ? undefined : percentile(open, 0.1),
    recoveryMs: recovered === undefined ? undefined : recovered - ended,
    othersMs: percentile(
      others.map(({ ms }) => ms),
      0.95
    ),
    beforeMs: percentile(
      before.map(({ ms }) => ms),
      0.95
    ),
    othersFailed: others.filter(({ outcome }) => outcome !== 'answered').length
  }
}

function percentile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((a, b) => a - b)
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0
}
