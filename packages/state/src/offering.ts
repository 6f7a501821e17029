import { MalformedMessageError, UnavailableError } from '@murmuration/interface'
import { pipe } from 'it-pipe'
import { placeOf } from './context.ts'
import type { Context, HeldDocument } from './context.ts'
import { offerRequest, verdicts } from './core/messages.ts'
import type { OfferRequest, Verdict, Verdicts } from './core/messages.ts'
import { progressing } from './streams.ts'

/** What a peer says of one document that it was offered. */
export interface Offered {
  readonly id: string
  readonly verdict: Verdict
}

/**
 * Offers copies to a peer, which pulls those that it lacks; yields a verdict for each document, in
 * the order in which they become safe there. `isValid` says whether an answer counts. Throws where one
 * does not, or the peer falls silent; what had no verdict by then has to be offered again.
 */
export async function* offer(
  context: Context,
  peer: string,
  init: {
    readonly from: OfferRequest['from']
    readonly documents: readonly HeldDocument[]
    readonly isValid: (reply: Verdicts) => Promise<boolean>
  }
): AsyncGenerator<Offered> {
  const documents = init.documents.map(({ copy, id }) => ({ id, digest: copy.digestAsText }))
  const request = offerRequest.encode({ ...placeOf(context), from: init.from, documents })
  const method = context.edge === undefined ? 'state.offer' : 'state.pinned.offer'
  const { signal } = context
  let waiting: string[] | undefined
  for await (const reply of pipe(
    progressing(context, { peer, method, request, signal }),
    async function* (source) {
      for await (const bytes of source) yield verdicts.decode(bytes)
    }
  )) {
    const isFirst = waiting === undefined
    const ids = waiting ?? documents.map(({ id }) => id)
    const { results } = reply
    if (results.length > ids.length || (isFirst && results.length < ids.length)) {
      throw new MalformedMessageError(`${peer} judges ${results.length} of ${ids.length} documents`)
    }
    if (!(await init.isValid(reply))) {
      throw new UnavailableError(`${peer} has gone on to view ${reply.view}`)
    }
    waiting = ids.slice(results.length)
    for (const [at, verdict] of results.entries()) {
      const id = ids[at] ?? ''
      if (isFirst && verdict === 'full') waiting.push(id)
      else yield { id, verdict }
    }
  }
  if (waiting === undefined || waiting.length > 0) {
    throw new MalformedMessageError(
      `${peer} left ${waiting?.length ?? 0} documents without a verdict`
    )
  }
}
