import { FencedError, MalformedMessageError, OverloadedError } from '@murmuration/interface'
import type { SelfIdentity } from '@murmuration/interface'
import { answerRequest } from './core/acceptor.ts'
import type { AcceptorSituation, RegisterRecord } from './core/acceptor.ts'
import { messageBytesMax, registersMax } from './defaults.ts'
import type { OpenRecord, Records } from './records.ts'
import { fromWire, replyToWire, sizeOf } from './wire.ts'
import type { ReplyBatch, RequestBatch, WireReply } from './wire.ts'

export interface ServingInit {
  readonly self: SelfIdentity
  readonly records: Records
  /** The newest view that this peer has adopted, and what is unsettled. */
  readonly situation: () => AcceptorSituation
  /** Resolves when this peer has adopted a view; it verifies its decision itself (rule 6). */
  readonly catchUp: (view: number, from: string) => Promise<void>
}

/** The acceptors of all registers of this peer: durable before it answers. */
export class Serving {
  readonly #init: ServingInit

  constructor(init: ServingInit) {
    this.#init = init
  }

  async serve(batch: RequestBatch, from: string): Promise<ReplyBatch> {
    const { catchUp, records, self, situation } = this.#init
    if (batch.incarnation !== self.incarnation) {
      throw new FencedError(`this is incarnation ${self.incarnation}`)
    }
    if (!batch.proposer.startsWith(from + '#')) {
      throw new MalformedMessageError('a proposer may only use ballots of its own')
    }
    const requests = batch.items.map((item) => fromWire(item, batch))
    if (situation().chain.number < batch.view) {
      await catchUp(batch.view, from)
    }
    const names = [...new Set(requests.map(({ name }) => name))]
    const opened = await openAll(records, names)
    try {
      // From here to the write nothing waits: the fence that is checked is the one that holds.
      const now = situation()
      const { number, settled } = now.chain
      if (number !== batch.view) {
        return { view: number, settled, items: [] }
      }
      const before = new Map<OpenRecord, RegisterRecord | undefined>()
      const replies: WireReply[] = []
      let bytes = 0
      for (const request of requests) {
        const entry = opened.get(request.name)
        if (entry === undefined || bytes > messageBytesMax) {
          replies.push({ type: 'later' })
          continue
        }
        const reply = this.#answer(entry, request, now, before)
        bytes += sizeOf(reply)
        replies.push(reply)
      }
      await this.#saved(opened.values(), before)
      return { view: number, settled, items: replies.map(replyToWire) }
    } finally {
      for (const entry of opened.values()) {
        records.close(entry)
      }
    }
  }

  #answer(
    entry: OpenRecord,
    request: ReturnType<typeof fromWire>,
    situation: AcceptorSituation,
    before: Map<OpenRecord, RegisterRecord | undefined>
  ): WireReply {
    const { records } = this.#init
    const { record, reply } = answerRequest(entry.record, request, situation)
    if (record === undefined) {
      return reply
    }
    if (entry.record === undefined && records.count >= registersMax) {
      return { type: 'refused', reason: 'overloaded' }
    }
    if (!before.has(entry)) {
      before.set(entry, entry.record)
    }
    records.set(entry, record)
    return reply
  }

  /** One sync for all that changed; what others have changed must be durable too before it is told. */
  async #saved(
    opened: Iterable<OpenRecord>,
    before: ReadonlyMap<OpenRecord, RegisterRecord | undefined>
  ): Promise<void> {
    const waits: Promise<void>[] = []
    const changes: { entry: OpenRecord; before: RegisterRecord | undefined }[] = []
    for (const entry of opened) {
      if (before.has(entry) || entry.isUnsaved) {
        changes.push({ entry, before: before.get(entry) })
      } else if (entry.saving !== undefined) {
        waits.push(entry.saving)
      }
    }
    if (changes.length > 0) {
      waits.push(this.#init.records.save(changes))
    }
    await Promise.all(waits)
  }
}

async function openAll(
  records: Records,
  names: readonly string[]
): Promise<ReadonlyMap<string, OpenRecord>> {
  const opened = new Map<string, OpenRecord>()
  const results = await Promise.allSettled(names.map((name) => records.open(name)))
  let failure: unknown
  for (const result of results) {
    if (result.status === 'fulfilled') {
      opened.set(result.value.name, result.value)
    } else {
      failure = result.reason
    }
  }
  if (failure !== undefined && opened.size === 0) {
    throw failure instanceof Error ? failure : new OverloadedError('the store cannot be read')
  }
  return opened
}
