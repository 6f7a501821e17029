import { createReadStream } from 'node:fs'
import { Session } from '@murmuration/agent'
import { createCluster } from '@murmuration/cluster'
import type { Cluster } from '@murmuration/cluster'
import { device, host } from './agents.ts'
import { leaveSignalsToLauncher, readChildInit, tell } from './child.ts'
import { formatDecimal } from './decimal.ts'
import { isBad, parseLine } from './feed.ts'
import type { Reading } from './feed.ts'
import { Latencies } from './latency.ts'
import { linesOf } from './lines.ts'
import type { DeviceResult, FromFeeder, ToFeeder } from './protocol.ts'

/**
 * Brings a feed into the mesh. It is no member: it calls agents and holds nothing, so that any peer
 * may be killed under it. Each line has an idempotency key, and is sent until it is acknowledged.
 */
const IN_FLIGHT_MAX = 256
/** A line that no peer takes for so long ends the run: what holds its agent is gone. */
const GIVE_UP_MS = 30_000
/** Pause between two attempts of this program; the library has tried for long by then. */
const RETRY_PAUSE_MS = 200
/** Devices that are read at once for the result, and how long one may take. */
const READS_AT_ONCE = 32
const READ_MS = 10_000
const ATTEMPT_MS = 10_000
const BAD_LINES_KEPT = 1_000
const PROGRESS_INTERVAL_MS = 100

const init = readChildInit()
const send = (message: FromFeeder): void => tell(message)
leaveSignalsToLauncher()

class Feeder {
  readonly #cluster: Cluster
  readonly #session: Session
  readonly #latencies = new Latencies(100_000)
  readonly #devices = new Set<string>()
  readonly #badLines: { line: number; reason: string }[] = []
  readonly #errors: string[] = []
  #lines = 0
  #acknowledged = 0
  #retried = 0
  #rejected = 0
  #inFlight = 0
  #blank = 0
  /** Set when nothing more is to be read: told to, or given up. */
  #concluding = false
  #wake: (() => void) | undefined

  constructor(cluster: Cluster) {
    this.#cluster = cluster
    this.#session = new Session(`feed-${cluster.peerId.slice(-12)}-${Date.now().toString(36)}`)
  }

  async run(path: string, total: number | undefined): Promise<void> {
    const began = performance.now()
    const progress = setInterval(() => this.#tellProgress(total, began), PROGRESS_INTERVAL_MS)
    const input = path === '-' ? process.stdin : createReadStream(path)
    for await (const text of linesOf(input)) {
      if (this.#concluding) break
      this.#lines++
      const reading = parseLine(text, this.#lines)
      if (reading === undefined) {
        this.#blank++
        continue
      }
      if (isBad(reading)) {
        this.#reject(reading.line, reading.reason)
        continue
      }
      while (this.#inFlight >= IN_FLIGHT_MAX) await this.#one()
      void this.#apply(reading)
    }
    while (this.#inFlight > 0) await this.#one()
    clearInterval(progress)
    this.#tellProgress(total, began)
    await this.#tellResult()
  }

  /** Resolves when one request has ended. */
  #one(): Promise<void> {
    return new Promise((resolve) => {
      this.#wake = resolve
    })
  }

  async #apply(reading: Reading): Promise<void> {
    this.#inFlight++
    this.#devices.add(reading.device)
    const { metric, value, time, line } = reading
    const key = this.#session.open()
    const agent = this.#cluster.agent(device, reading.device)
    const began = performance.now()
    let repeated = false
    while (!this.#concluding || !repeated) {
      try {
        await agent.call(
          'record',
          { metric, value, time, line },
          {
            idempotencyKey: key,
            timeoutMs: ATTEMPT_MS,
            onRetry: () => {
              repeated = true
            }
          }
        )
        this.#acknowledged++
        break
      } catch (error) {
        repeated = true
        if (performance.now() - began > GIVE_UP_MS || this.#concluding) {
          this.#errors.push(`line ${line}: ${String(error)}`)
          this.#concluding = true
          break
        }
        await new Promise((resume) => setTimeout(resume, RETRY_PAUSE_MS))
      }
    }
    this.#session.confirm(key.sequence)
    if (repeated) this.#retried++
    this.#latencies.add(performance.now() - began)
    this.#inFlight--
    this.#wake?.()
  }

  #reject(line: number, reason: string): void {
    this.#rejected++
    if (this.#badLines.length >= BAD_LINES_KEPT) return
    this.#badLines.push({ line, reason })
    send({ kind: 'bad-line', line, reason })
  }

  #tellProgress(total: number | undefined, began: number): void {
    const [p50, p95] = this.#latencies.quantiles([0.5, 0.95])
    const applied = this.#acknowledged
    const perSecond = Math.round(applied / Math.max(0.001, (performance.now() - began) / 1_000))
    const done = applied + this.#rejected + this.#blank
    send({ kind: 'progress', lines: this.#lines, applied: done, total, perSecond, p50, p95 })
  }

  /** Ends the reading of the feed; what was acknowledged is told as the result. */
  conclude(): void {
    this.#concluding = true
  }

  async #tellResult(): Promise<void> {
    // Names of devices are the feed's: `__proto__` is one like any other.
    const devices = new Map<string, DeviceResult>()
    const waiting = [...this.#devices].toSorted()
    const order = [...waiting]
    const read = async (): Promise<void> => {
      for (let id = waiting.shift(); id !== undefined; id = waiting.shift()) {
        try {
          devices.set(id, await this.#readDevice(id))
        } catch (error) {
          this.#errors.push(`device ${id} cannot be read: ${String(error)}`)
        }
      }
    }
    await Promise.all(Array.from({ length: READS_AT_ONCE }, read))
    const [p50, p95, p99] = this.#latencies.quantiles([0.5, 0.95, 0.99])
    const { count } = this.#latencies
    send({
      kind: 'result',
      result: {
        devices: order.flatMap((id) => {
          const found = devices.get(id)
          return found === undefined ? [] : [[id, found] as const]
        }),
        updates: {
          acknowledged: this.#acknowledged,
          retried: this.#retried,
          rejected: this.#rejected
        },
        calls: { count, p50, p95, p99 },
        badLines: this.#badLines,
        errors: this.#errors
      }
    })
  }

  async #readDevice(id: string): Promise<DeviceResult> {
    const { value } = await this.#cluster
      .agent(device, id)
      .state({ timeoutMs: READ_MS, consistency: 'session' })
    return {
      count: value.count,
      sum: formatDecimal(value.sum),
      min: formatDecimal(value.min ?? 0n),
      max: formatDecimal(value.max ?? 0n),
      last: formatDecimal(value.last?.[2] ?? 0n)
    }
  }

  /** Asks an agent of a killed peer until its new owner answers. */
  async probe(index: number, id: string): Promise<void> {
    try {
      await this.#cluster.getAgent(id).call('peek', null, { timeoutMs: GIVE_UP_MS })
      send({ kind: 'served', index, at: Date.now() })
    } catch (error) {
      this.#errors.push(`${id} was not served again: ${String(error)}`)
    }
  }
}

async function main(): Promise<void> {
  const cluster = await createCluster({
    name: init.cluster,
    secret: init.secret,
    agents: [device, host],
    listen: [],
    bootstrap: init.bootstrap,
    role: 'edge'
  })
  const feeder = new Feeder(cluster)
  process.on('message', (message: ToFeeder) => {
    if (message.kind === 'start') feeder.run(message.path, message.total).catch(fail)
    else if (message.kind === 'killed') void feeder.probe(message.index, message.agent)
    else if (message.kind === 'conclude') feeder.conclude()
    else cluster.stop().then(() => process.exit(0), fail)
  })
  await cluster.ready()
  send({ kind: 'ready', index: 0 })
}

function fail(error: unknown): void {
  send({
    kind: 'failed',
    index: 0,
    reason: error instanceof Error ? error.message : String(error)
  })
  setTimeout(() => process.exit(1), 100)
}

main().catch(fail)
