import { connect } from 'node:net'
import type { Socket } from 'node:net'
import { createInterface } from 'node:readline'
import type { Bench, BenchContext, BenchResult, Cell } from '../bench.ts'
import type {
  OverloadAnswer,
  OverloadCommand,
  OverloadPeerArguments,
  OverloadPeerReady
} from '../overload/peer.ts'

/** Two of them call, and the first one owns what they call. */
const PEERS = 3
const OFFERED = [0.5, 1, 2, 5, 10]
const OFFER_MS = 4_000
/** At ten times the offer: of what the peer answers in time when nothing waits in vain. */
const GOODPUT_MIN = 0.8
/** The memory of the peer may grow by this, whatever is offered. */
const GROWTH_MAX = 1.5

class Caller {
  readonly #socket: Socket
  readonly #lines: AsyncIterator<string>

  constructor(port: number) {
    this.#socket = connect(port, '127.0.0.1')
    this.#lines = createInterface({ input: this.#socket })[Symbol.asyncIterator]()
  }

  async ask(command: OverloadCommand): Promise<OverloadAnswer> {
    this.#socket.write(`${JSON.stringify(command)}\n`)
    const { value } = await this.#lines.next()
    return JSON.parse(String(value)) as OverloadAnswer // written by `peer.ts`
  }

  end(): void {
    this.#socket.destroy()
  }
}

interface Peer extends OverloadPeerReady {
  readonly caller: Caller
}

async function startPeers(context: BenchContext): Promise<Peer[]> {
  const peers: Peer[] = []
  for (let at = 0; at < PEERS; at++) {
    const init: OverloadPeerArguments = { bootstrap: peers[0]?.addresses ?? [] }
    const module = new URL('../overload/peer.ts', import.meta.url)
    const ready = (await context.start(module, [JSON.stringify(init)])) as OverloadPeerReady // its first message
    peers.push({ ...ready, caller: new Caller(ready.port) })
  }
  await Promise.all(peers.map(({ caller }) => caller.ask({ kind: 'whole', members: PEERS })))
  return peers
}

function sum(answers: readonly OverloadAnswer[], of: (answer: OverloadAnswer) => number): number {
  return answers.reduce((total, answer) => total + of(answer), 0)
}

interface Measured {
  readonly rows: readonly Cell[][]
  /** At the last rate, of the peak. */
  readonly goodput: number
  /** Megabytes at most. */
  readonly memory: number
}

type AskAll = (command: OverloadCommand) => Promise<OverloadAnswer[]>

/** Each rate for some seconds, one after the other. */
async function measure(
  context: BenchContext,
  owner: Peer,
  callers: number,
  { peak, askAll }: { readonly peak: number; readonly askAll: AskAll }
): Promise<Measured> {
  const rows: Cell[][] = []
  let [goodput, memory] = [Number.NaN, 0]
  for (const times of OFFERED) {
    context.progress(`${times} times the peak of ${Math.round(peak)}/s`)
    const perSecond = (peak * times) / callers
    const answers = await askAll({ kind: 'offer', owner: owner.peerId, perSecond, ms: OFFER_MS })
    const { rssMb } = await owner.caller.ask({ kind: 'memory' })
    const answered = (1_000 * sum(answers, (answer) => answer.answered)) / OFFER_MS
    goodput = answered / peak
    memory = Math.max(memory, rssMb)
    const sorted = answers.flatMap((answer) => answer.times).toSorted((a, b) => a - b)
    rows.push([
      `${times}`,
      Math.round((1_000 * sum(answers, ({ offered }) => offered)) / OFFER_MS),
      Math.round(answered),
      `${Math.round(100 * goodput)} %`,
      sum(answers, ({ shed }) => shed),
      sum(answers, ({ refused }) => refused),
      sum(answers, ({ late }) => late),
      Math.round(sorted[Math.floor(sorted.length * 0.95)] ?? Number.NaN),
      rssMb
    ])
  }
  return { rows, goodput, memory }
}

async function run(context: BenchContext): Promise<BenchResult> {
  const peers = await startPeers(context)
  const [owner, ...callers] = peers
  if (owner === undefined) throw new Error('no peer was started')
  const askAll: AskAll = (command) => Promise.all(callers.map(({ caller }) => caller.ask(command)))
  try {
    context.progress('what the peer does at most')
    const most = { kind: 'peak', owner: owner.peerId, callers: 8 } as const
    await askAll({ ...most, ms: 1_000 })
    const answers = await askAll({ ...most, ms: OFFER_MS })
    const peak = (1_000 * sum(answers, ({ answered }) => answered)) / OFFER_MS
    const { rssMb: before } = await owner.caller.ask({ kind: 'memory' })
    const measured = await measure(context, owner, callers.length, { peak, askAll })
    const { rows, goodput, memory } = measured
    const from = `from ${callers.length} others; peak ${Math.round(peak)}/s`
    const errors = ['OverloadedError', 'PeerUnavailableError', 'late']
    const columns = ['times the peak', 'offered/s', 'in time/s', 'of the peak', ...errors]
    const title = `Calls to agents of one peer that takes 1 ms for each, ${from}`
    return {
      tables: [{ title, columns: [...columns, 'p95 ms', 'memory MB'], rows }],
      figures: { peak, goodput, memory },
      promises: [
        {
          what: `ten times the peak: ${Math.round(100 * goodput)} % of it in time, at least ${100 * GOODPUT_MIN} %`,
          kept: goodput >= GOODPUT_MIN
        },
        {
          what: `memory of the peer: ${memory} MB, ${before} before, at most ${GROWTH_MAX} times`,
          kept: memory <= before * GROWTH_MAX
        }
      ]
    }
  } finally {
    for (const { caller } of peers) caller.end()
    await context.endChildren()
  }
}

/** What a peer answers in time while it is offered up to ten times what it can do. */
export const overload: Bench = {
  name: 'overload',
  summary: 'calls in time at 0.5 to 10 times what one peer can do, and its memory',
  timeLimitMs: 90_000,
  run
}
