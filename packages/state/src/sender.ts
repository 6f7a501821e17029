import type { AgentRecord } from '@murmuration/interface'
import { jittered, placeOf, withDeadline } from './context.ts'
import type { Context } from './context.ts'
import type { CollectStep } from './core/base.ts'
import type { FoldStep } from './core/copy-state.ts'
import type { Entry } from './core/entry.ts'
import { memberKey } from './core/homes.ts'
import type { MemberKey } from './core/homes.ts'
import {
  appendRequest,
  collectionToWire,
  encodeState,
  putRequest,
  stepToWire,
  verdicts
} from './core/messages.ts'
import type { AppendDocument, Verdict, Verdicts } from './core/messages.ts'
import type { SendItem } from './core/replication.ts'
import {
  batchBytesMax,
  batchDocumentsMax,
  batchEntriesMax,
  batchesInFlightMax,
  retryMs,
  stateBytesMax,
  transferTimeoutMs
} from './defaults.ts'
import type { Tenure } from './tenure.ts'

/** What goes to one replica in one message, and what its answer will mean. */
interface AppendBatch {
  readonly parts: { readonly tenure: Tenure; readonly items: SendItem[] }[]
}
interface PutBatch {
  readonly parts: { readonly tenure: Tenure; readonly entries: readonly Entry[] }[]
  readonly states: Uint8Array[]
  readonly large: AgentRecord[]
}

/** Sends to one replica, or saves to the own disk. */
export class Sender {
  readonly peer: string
  readonly #context: Context
  readonly #key: MemberKey
  readonly #self: boolean
  readonly #ready = new Set<Tenure>()
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
      const { append, put } = this.#gather()
      if (append.parts.length > 0) {
        this.#track(this.#append(append))
      }
      if (put.parts.length > 0) {
        this.#track(this.#put(put))
      }
    }
  }

  #track(sending: Promise<boolean>): void {
    this.#inFlight++
    void sending.then((arrived) => {
      this.#inFlight--
      if (arrived) {
        this.#failures = 0
      } else {
        this.#backOff()
      }
      this.#schedule()
    })
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

  /** Takes what is due, of as many documents as one message holds. */
  #gather(): { append: AppendBatch; put: PutBatch } {
    const append: AppendBatch = { parts: [] }
    const put: PutBatch = { parts: [], states: [], large: [] }
    let bytes = 0
    let stateBytes = 0
    let documents = 0
    for (const tenure of this.#ready) {
      if (bytes >= batchBytesMax || stateBytes >= stateBytesMax || documents >= batchDocumentsMax) {
        break
      }
      documents++
      this.#ready.delete(tenure)
      if (this.#needsFull(tenure)) {
        const size = this.#self ? 0 : estimate(tenure)
        if (stateBytes > 0 && stateBytes + size > stateBytesMax) {
          this.#ready.add(tenure)
          break
        }
        stateBytes += Math.max(size, 1)
        this.#addState(put, tenure, size)
        continue
      }
      const items = tenure.replication.take(this.#key, batchBytesMax - bytes, batchEntriesMax)
      if (items.length > 0) {
        append.parts.push({ tenure, items })
        bytes += sizeOf(items) + recordBytes(tenure)
        this.#ready.add(tenure)
      }
    }
    return { append, put }
  }

  #needsFull(tenure: Tenure): boolean {
    for (const target of tenure.replication.targets) {
      if (target.key === this.#key) {
        return target.mode === 'full'
      }
    }
    return false
  }

  #addState(put: PutBatch, tenure: Tenure, size: number): void {
    const { copy } = tenure.held
    put.parts.push({ tenure, entries: tenure.replication.beginFull(this.#key) })
    if (this.#self) {
      return
    }
    if (size > stateBytesMax) {
      put.large.push(copy.record)
      return
    }
    put.states.push(encodeState(copy.state()))
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
      return await this.#ask('append', request, this.#context.settings.requestTimeoutMs)
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
        const { states, large } = batch
        const request = putRequest.encode({
          ...placeOf(this.#context),
          from: 'owner',
          states,
          large
        })
        const limit = large.length > 0 ? transferTimeoutMs : this.#context.settings.requestTimeoutMs
        results = await this.#ask('put', request, limit)
      }
    } catch (error) {
      this.#report('put', error)
    }
    // States come first in an answer, then the large ones; parts are in order of gathering.
    const order = [
      ...batch.parts.filter(({ tenure }) => !batch.large.includes(tenure.record)),
      ...batch.parts.filter(({ tenure }) => batch.large.includes(tenure.record))
    ]
    let arrived = true
    order.forEach(({ tenure, entries }, at) => {
      const result = results[at]
      if (result === 'ok') {
        this.#endFull(tenure, entries)
      } else if (result === 'more') {
        void this.#fetchMore(tenure).then((outcome) => {
          if (outcome === 'nothing new') {
            this.#endFull(tenure, entries)
          } else {
            tenure.replication.failFull(this.#key, entries)
            this.#context.send(tenure)
          }
        })
      } else {
        arrived = false
        tenure.replication.failFull(this.#key, entries)
        this.#ready.add(tenure)
      }
    })
    return arrived
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
      const { changed } = await context.transfer.fetch(
        this.peer,
        [tenure.record.id],
        context.signal
      )
      return changed ? 'merged' : 'nothing new'
    } catch (error) {
      this.#report('fetch', error)
      return 'failed'
    }
  }

  /** The verdicts, or none where they do not count. */
  async #ask(
    what: 'append' | 'put',
    request: Uint8Array,
    timeoutMs: number
  ): Promise<readonly Verdict[]> {
    const context = this.#context
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
    return memberKey({ peer: this.peer, incarnation: reply.incarnation }) === this.#key
      ? reply.results
      : []
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

function estimate(tenure: Tenure): number {
  const { copy } = tenure.held
  return copy.baseBytes + copy.entryBytes + copy.entryCount * 8 + 512
}

function recordBytes({ record }: Tenure): number {
  return record.id.length + (record.shardKey?.length ?? 0) + 64
}

function documentOf({ record }: Tenure, items: readonly SendItem[]): AppendDocument {
  const folds: FoldStep[] = []
  const entries: Uint8Array[] = []
  let collection: CollectStep | undefined
  for (const item of items) {
    if (item.kind === 'fold') {
      folds.push(item.step)
    } else if (item.kind === 'collect') {
      collection = item.step
    } else {
      entries.push(item.entry.bytes)
    }
  }
  const document = { record, entries, folds: folds.map((step) => stepToWire(step)) }
  return collection === undefined
    ? document
    : { ...document, collection: collectionToWire(collection) }
}

function sizeOf(items: readonly SendItem[]): number {
  return items.reduce(
    (sum, item) => sum + (item.kind === 'entry' ? item.entry.bytes.length : 64),
    0
  )
}
