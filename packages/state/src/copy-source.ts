import type { Context, HeldDocument } from './context.ts'
import { currentView } from './context.ts'
import { checkOf, copiesItem, copiesRequest } from './core/copy-messages.ts'
import type { CopiesItem, Resumption } from './core/copy-messages.ts'
import { encodeState } from './core/messages.ts'
import { copyStreamsMax } from './defaults.ts'
import { edgeOf } from './placements.ts'

/** A document held here; where it is for an edge peer, only one of its own. */
export function heldFor(
  context: Context,
  id: string,
  edge: string | undefined
): HeldDocument | undefined {
  const held = context.table.get(id)
  if (held === undefined || edge === undefined) return held
  return edgeOf(currentView(context), held.copy.record) === edge ? held : undefined
}

/**
 * Gives copies away as a stream. Each is encoded when it is its turn, so that there is one item in
 * memory, or one large document; the receiver's credit says when the next one is made.
 */
export class CopySource {
  readonly #context: Context

  constructor(context: Context) {
    this.#context = context
  }

  register(): void {
    const { rpc } = this.#context
    const concurrencyMax = copyStreamsMax
    rpc.handleStream('state.copies', (bytes) => this.#serve(bytes), { concurrencyMax })
    // The same for edge peers, which get what is pinned to them and nothing else.
    rpc.handleStream('state.pinned.copies', (bytes, { peer }) => this.#serve(bytes, peer), {
      concurrencyMax
    })
  }

  unregister(): void {
    this.#context.rpc.unhandle('state.copies')
    this.#context.rpc.unhandle('state.pinned.copies')
  }

  async *#serve(request: Uint8Array, edge?: string): AsyncGenerator<Uint8Array> {
    const { chunkBytes } = this.#context.streams
    const { ids, resume } = copiesRequest.decode(request)
    let number = 0
    let states: Uint8Array[] = []
    let absent: string[] = []
    let bytes = 0
    const item = (content: Omit<CopiesItem, 'number'>): Uint8Array =>
      copiesItem.encode({ number: number++, ...content })
    const flush = (): Uint8Array => {
      const encoded = item({ states, absent })
      states = []
      absent = []
      bytes = 0
      return encoded
    }
    for (const [at, id] of ids.entries()) {
      const held = heldFor(this.#context, id, edge)
      const state = held === undefined ? undefined : encodeState(held.copy.state())
      const size = state?.length ?? id.length
      if (bytes > 0 && bytes + size > chunkBytes) yield flush()
      if (state === undefined) {
        absent.push(id)
        bytes += size
      } else if (size > chunkBytes) {
        for (const piece of piecesOf(state, {
          chunkBytes,
          resume: at === 0 ? resume : undefined
        })) {
          yield item({ states: [], absent: [], piece })
        }
      } else {
        states.push(state)
        bytes += size
      }
    }
    if (bytes > 0) yield flush()
  }
}

/** The rest of a copy from where the receiver is, if that has the beginning of this very state. */
function* piecesOf(
  state: Uint8Array,
  { chunkBytes, resume }: { readonly chunkBytes: number; readonly resume: Resumption | undefined }
): Generator<NonNullable<CopiesItem['piece']>> {
  const digest = checkOf(state)
  const total = state.length
  const first = resume?.digest === digest && resume.at < total ? resume.at : 0
  for (let at = first; at < total; at += chunkBytes) {
    const bytes = state.subarray(at, at + chunkBytes)
    yield { total, digest, at, check: checkOf(bytes), bytes }
  }
}
