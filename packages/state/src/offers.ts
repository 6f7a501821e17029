import type { AgentRecord, RpcContext } from '@murmuration/interface'
import type { Context, HeldDocument } from './context.ts'
import { offerRequest } from './core/messages.ts'
import type { IndexEntry, Verdict } from './core/messages.ts'
import { copyStreamsMax } from './defaults.ts'
import { asSentBy } from './replica.ts'
import type { Replica } from './replica.ts'

/**
 * Takes what others offer when it is more than a message holds: says at once which copies are here
 * already, pulls the rest as a stream, and says of each what came of it as soon as it is on disk. So
 * nothing is sent twice, also where an earlier offer, or one of another peer, broke off.
 */
export class Offers {
  readonly #context: Context
  readonly #replica: Replica

  constructor(context: Context, replica: Replica) {
    this.#context = context
    this.#replica = replica
  }

  register(): void {
    const { rpc } = this.#context
    const concurrencyMax = copyStreamsMax
    rpc.handleStream('state.offer', (bytes, call) => this.#onOffer(bytes, call, 'member'), {
      concurrencyMax
    })
    // Of what is pinned to the edge peer that offers it, and of nothing else.
    rpc.handleStream('state.pinned.offer', (bytes, call) => this.#onOffer(bytes, call, 'edge'), {
      concurrencyMax
    })
  }

  unregister(): void {
    this.#context.rpc.unhandle('state.offer')
    this.#context.rpc.unhandle('state.pinned.offer')
  }

  async *#onOffer(
    bytes: Uint8Array,
    call: RpcContext,
    role: 'member' | 'edge'
  ): AsyncGenerator<Uint8Array> {
    const { mutants, transfer } = this.#context
    const replica = this.#replica
    const request = asSentBy(role, offerRequest.decode(bytes))
    await replica.follow(request.view, call)
    const check = (record: AgentRecord): void => {
      if (role === 'edge') replica.checkPinned(record, call.peer)
    }
    const keep = (held: HeldDocument): Promise<void> => replica.keep(held, request, call.peer)
    const missing: string[] = []
    const saves: Promise<void>[] = []
    const results = request.documents.map((document): Verdict => {
      const held = this.#same(document)
      if (held === undefined) {
        missing.push(document.id)
        return mutants.confirmOffered === true ? 'ok' : 'full'
      }
      check(held.copy.record)
      // Perhaps not by the one who brought it: it counts when it is on disk.
      saves.push(keep(held))
      return replica.judge({ held, equal: true, changed: false }, request, call.peer)
    })
    yield await replica.answer(request, call, { results, saves })
    for await (const pulled of transfer.copies(call.peer, missing, {
      signal: call.signal,
      check,
      write: async (joined) => {
        await Promise.all(joined.map(({ held }) => keep(held)))
      }
    })) {
      // Also where none is complete: whoever offers sees that it goes on.
      yield await replica.answer(request, call, {
        saves: [],
        results: pulled.map(({ joined }) =>
          joined === undefined ? 'failed' : replica.judge(joined, request, call.peer)
        )
      })
    }
  }

  /** The copy here if it is exactly this one. */
  #same({ id, digest }: IndexEntry): HeldDocument | undefined {
    const held = this.#context.table.get(id)
    return held?.damaged === false && held.copy.digestAsText === digest ? held : undefined
  }
}
