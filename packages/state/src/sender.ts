import { jittered, placeOf, withDeadline } from './context.ts'
import type { Context } from './context.ts'
import type { Entry } from './core/entry.ts'
import { memberKey } from './core/homes.ts'
import type { MemberKey } from './core/homes.ts'
import { appendRequest, encodeState, putRequest, verdicts } from './core/messages.ts'
import type { Verdict, Verdicts } from './core/messages.ts'
import type { SendItem } from './core/replication.ts'
import {
  batchBytesMax,
  batchDocumentsMax,
  batchEntriesMax,
  batchesInFlightMax,
  offerBytes,
  retryMs
} from './defaults.ts'
import { documentOf, estimate, recordBytes, sizeOf } from './due.ts'
import { offer } from './offering.ts'
import type { Tenure } from './tenure.ts'

/** What goes to one replica in one message, and what its answer will mean. */
interface AppendBatch {
  readonly parts: { readonly tenure: Tenure; readonly items: SendItem[] }[]
}
interface FullPart {
  readonly tenure: Tenure
  readonly entries: readonly Entry[]
}
interface PutBatch {
  readonly parts: FullPart[]
  readonly states: Uint8Array[]
}

/** Sends to one replica, or saves to the own disk. */
export class Sender {
  readonly peer: string
  readonly #context: Context
  readonly #key: MemberKey
  readonly #self: boolean
  readonly #ready = new Set<Tenure>()
  /** What needs its full state while an offer is under way, and does not fit a message. */
  readonly #later = new Set<Tenure>()
  #isOffering = false
  #inFlight = 0
  #scheduled = false
  #waiting: (() => void) | undefined
  #failures = 0
  #stopped = false

  constructor(context: Context, init: { key: MemberKey; peer: string; self: boolean }) {
    this.#context = context
    this.#key = init.key
    this.peer = init.peer
    this.#self = init.self
  }

  add(tenure: Tenure): void {
    this.#ready.add(tenure)
    this.#schedule()
  }

  wake(): void {
    this.#waiting?.()
    this.#waiting = undefined
    this.#failures = 0
    this.#schedule()
  }

  stop(): void {
    this.#stopped = true
    this.#waiting?.()
    this.#ready.clear()
    this.#later.clear()
  }

  #schedule(): void {
    if (this.#scheduled || this.#stopped || this.#waiting !== undefined) {
      return
    }
    this.#scheduled = true
    queueMicrotask(() => {
      this.#scheduled = false
      this.#flush()
    })
  }

  #flush(): void {
    while (
      this.#ready.size > 0 &&
      this.#inFlight < batchesInFlightMax &&
      this.#waiting === undefined &&
      !this.#stopped &&
      !this.#context.signal.aborted
    ) {
      const { append, full } = this.#gather()
      if (append.parts.length > 0) {
        this.#track(this.#append(append))
      }
      this.#sendFull(full)
    }
  }

  #track(sending: Promise<boolean>): void {
    this.#inFlight++
    void sending.then((arrived) => {
      this.#inFlight--
      this.#done(arrived)
    })
  }

  #done(arrived: boolean): void {
    if (arrived) {
      this.#failures = 0
    } else {
      this.#backOff()
    }
    this.#schedule()
  }

  #backOff(): void {
    if (this.#waiting !== undefined || this.#stopped) {
      return
    }
    const delay = Math.min(retryMs.longest, retryMs.first * 2 ** Math.min(this.#failures, 10))
    this.#failures++
    this.#waiting = this.#context.clock.schedule(jittered(this.#context, delay), () => {
      this.#waiting = undefined
      this.#schedule()
    })
  }

  /** Takes what is due, of as many documents as one message holds, and those that need all of it. */
  #gather(): { append: AppendBatch; full: Tenure[] } {
    const append: AppendBatch = { parts: [] }
    const full: Tenure[] = []
    let bytes = 0
    let documents = 0
    for (const tenure of this.#ready) {
      if (bytes >= batchBytesMax || documents >= batchDocumentsMax) {
        break
      }
      documents++
      this.#ready.delete(tenure)
      if (this.#needsFull(tenure)) {
        full.push(tenure)
        continue
      }
      const items = tenure.replication.take(this.#key, batchBytesMax - bytes, batchEntriesMax)
      if (items.length > 0) {
        append.parts.push({ tenure, items })
        bytes += sizeOf(items) + recordBytes(tenure)
        this.#ready.add(tenure)
      }
    }
    return { append, full }
  }

  /** Sends whole copies in one message where they fit, else offers them, one offer at a time. */
  #sendFull(full: readonly Tenure[]): void {
    if (full.length === 0) return
    const { messageBytes } = this.#context.streams
    const bytes = this.#self ? 0 : full.reduce((sum, tenure) => sum + estimate(tenure), 0)
    // A replica mostly has what a new owner begins with: digests are less. While it pulls, whatever fits
    // a message does not wait for that.
    if (bytes <= (this.#isOffering ? messageBytes : Math.min(messageBytes, offerBytes))) {
      this.#track(this.#put(this.#putBatch(full)))
    } else if (this.#isOffering) {
      full.forEach((tenure) => this.#later.add(tenure))
    } else {
      this.#isOffering = true
      // In the order in which the replica pulls them, wherever it begins.
      const sorted = full.toSorted((a, b) => (a.record.id < b.record.id ? -1 : 1))
      const parts = sorted.map((tenure) => this.#beginFull(tenure))
      void this.#offer({ parts }).then((arrived) => {
        this.#isOffering = false
        this.#later.forEach((tenure) => this.#ready.add(tenure))
        this.#later.clear()
        this.#done(arrived)
      })
    }
  }

  #putBatch(full: readonly Tenure[]): PutBatch {
    const parts = full.map((tenure) => this.#beginFull(tenure))
    const states = this.#self ? [] : full.map(({ held }) => encodeState(held.copy.state()))
    return { parts, states }
  }

  #beginFull(tenure: Tenure): FullPart {
    return { tenure, entries: tenure.replication.beginFull(this.#key) }
  }

  #needsFull(tenure: Tenure): boolean {
    for (const target of tenure.replication.targets) {
      if (target.key === this.#key) {
        return target.mode === 'full'
      }
    }
    return false
  }

  /** Whether it arrived. */
  async #append(batch: AppendBatch): Promise<boolean> {
    const results = await this.#deliver(batch)
    let arrived = true
    // From the last to the first, so that what goes back to a queue keeps its order.
    batch.parts.toReversed().forEach(({ tenure, items }, reversed) => {
      const at = batch.parts.length - 1 - reversed
      const entries = items.flatMap((item) => (item.kind === 'entry' ? [item.entry] : []))
      switch (results[at]) {
        case 'ok':
          tenure.replication.confirm(this.#key, entries)
          tenure.confirmed(entries.length)
          break
        case 'full':
          tenure.replication.needsFull(this.#key)
          this.#context.send(tenure)
          break
        case 'more':
          void this.#fetchMore(tenure).then(() => {
            // Whether or not something came of it: a full state clears the difference up.
            tenure.replication.needsFull(this.#key)
            this.#context.send(tenure)
          })
          break
        default:
          arrived = false
          tenure.replication.putBack(this.#key, items)
          this.#ready.add(tenure)
      }
    })
    return arrived
  }

  async #deliver({ parts }: AppendBatch): Promise<readonly (Verdict | undefined)[]> {
    try {
      if (this.#self) {
        await Promise.all(
          parts.map(({ tenure, items }) =>
            // A fold needs no sync: without it the entries are still there.
            this.#context.disk.save(tenure.held, {
              sync: items.some(({ kind }) => kind === 'entry')
            })
          )
        )
        return parts.map(() => 'ok')
      }
      const documents = parts.map(({ tenure, items }) => documentOf(tenure, items))
      const request = appendRequest.encode({ ...placeOf(this.#context), documents })
      return await this.#ask('append', request)
    } catch (error) {
      this.#report('append', error)
      return []
    }
  }

  async #put(batch: PutBatch): Promise<boolean> {
    let results: readonly (Verdict | undefined)[] = []
    try {
      if (this.#self) {
        const { disk } = this.#context
        await Promise.all(batch.parts.map(({ tenure }) => disk.save(tenure.held, { sync: true })))
        results = batch.parts.map(() => 'ok')
      } else {
        const { states } = batch
        const request = putRequest.encode({ ...placeOf(this.#context), from: 'owner', states })
        results = await this.#ask('put', request)
      }
    } catch (error) {
      this.#report('put', error)
    }
    return batch.parts.map((part, at) => this.#judged(part, results[at])).every(Boolean)
  }

  /** More than a message holds: the replica pulls what it lacks. */
  async #offer({ parts }: Pick<PutBatch, 'parts'>): Promise<boolean> {
    const open = new Map(parts.map((part) => [part.tenure.record.id, part]))
    let arrived = true
    try {
      const offered = offer(this.#context, this.peer, {
        from: 'owner',
        documents: parts.map(({ tenure }) => tenure.held),
        isValid: async (reply) => {
          if (reply.fenced) await this.#followView(reply)
          return !reply.fenced && this.#isFromIt(reply)
        }
      })
      for await (const { id, verdict } of offered) {
        const part = open.get(id)
        open.delete(id)
        if (part !== undefined && !this.#judged(part, verdict)) arrived = false
      }
    } catch (error) {
      this.#report('offer', error)
    }
    for (const part of open.values()) arrived = this.#judged(part, undefined) && arrived
    return arrived
  }

  /** What the replica says of a full state; undefined where that does not count. */
  #judged({ tenure, entries }: FullPart, verdict: Verdict | undefined): boolean {
    if (verdict === 'ok') {
      this.#endFull(tenure, entries)
    } else if (verdict === 'more') {
      void this.#fetchMore(tenure).then((outcome) => {
        if (outcome === 'nothing new') {
          this.#endFull(tenure, entries)
        } else {
          tenure.replication.failFull(this.#key, entries)
          this.#context.send(tenure)
        }
      })
    } else {
      tenure.replication.failFull(this.#key, entries)
      this.#ready.add(tenure)
      return false
    }
    return true
  }

  #endFull(tenure: Tenure, entries: readonly Entry[]): void {
    tenure.replication.endFull(this.#key, entries)
    this.#context.tenureSynced(tenure, this.#self)
    tenure.confirmed(entries.length)
    this.#context.send(tenure)
  }

  /** The replica holds something that is not known here, such as an update of a former owner. */
  async #fetchMore(tenure: Tenure): Promise<'nothing new' | 'merged' | 'failed'> {
    const context = this.#context
    try {
      const { changed } = await context.transfer.fetch(this.peer, [tenure.record.id], {
        signal: context.signal
      })
      return changed ? 'merged' : 'nothing new'
    } catch (error) {
      this.#report('fetch', error)
      return 'failed'
    }
  }

  /** The verdicts, or none where they do not count. */
  async #ask(what: 'append' | 'put', request: Uint8Array): Promise<readonly Verdict[]> {
    const context = this.#context
    const { requestTimeoutMs: timeoutMs } = context.settings
    const method = context.edge === undefined ? `state.${what}` : `state.pinned.${what}`
    const sent = context.clock.monotonic()
    const bytes = await context.rpc.call(this.peer, method, request, {
      timeoutMs,
      signal: context.signal
    })
    const reply: Verdicts = verdicts.decode(bytes)
    if (reply.now !== undefined) {
      context.offsets.saw(this.peer, reply.now, sent, context.clock.monotonic())
    }
    if (reply.fenced) {
      await this.#followView(reply)
      return []
    }
    return this.#isFromIt(reply) ? reply.results : []
  }

  /** Not from another life of that peer. */
  #isFromIt({ incarnation }: Verdicts): boolean {
    return memberKey({ peer: this.peer, incarnation }) === this.#key
  }

  async #followView({ view }: Verdicts): Promise<void> {
    const { membership, settings } = this.#context
    if (view > (membership.view?.number ?? 0)) {
      await withDeadline(this.#context, settings.requestTimeoutMs, (signal) =>
        membership.catchUp(view, this.peer, { signal })
      )
    }
  }

  #report(what: string, error: unknown): void {
    if (!this.#context.signal.aborted) {
      this.#context.log?.('%s to %s failed, to be tried again: %e', what, this.peer, error)
    }
  }
}
