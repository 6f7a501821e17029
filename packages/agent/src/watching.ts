import type { AbortOptions } from '@libp2p/interface'
import { decodeDocument } from '@murmuration/crdt'
import type { Document } from '@murmuration/crdt'
import { AbortedError, NotStartedError, UnavailableError } from '@murmuration/interface'
import type { AgentRecord, Epoch } from '@murmuration/interface'
import { limitsOf } from './deadline.ts'
import type { AgentComponents } from './index.ts'
import { WatchItem, WatchRequest } from './messages.ts'
import { Persistence } from './persistence.ts'
import type { Router } from './router.ts'
import { WATCH } from './serving.ts'
import { Wake } from './wake.ts'

/** One state of a watched agent. */
export interface Seen {
  readonly document: Document
  readonly epoch: Epoch | undefined
}

/** The longest time a call can be given; a watch has no end of its own. */
const WATCH_TIMEOUT_MS = 2 ** 31 - 1

/**
 * The states of an agent from its present owner on, and from each later one. Ends when the caller's
 * signal fires; throws what no repetition would mend.
 */
export async function* watchDocument(
  components: AgentComponents,
  router: Router,
  record: AgentRecord,
  options: AbortOptions
): AsyncIterable<Seen> {
  const { clock, random, log } = components
  const { signal } = options
  const isOver = (): boolean => signal?.aborted === true
  const wake = new Wake(clock)
  const onEvent = (): void => wake.now()
  const unlisten = router.listen(onEvent)
  signal?.addEventListener('abort', onEvent)
  const begin = (): Persistence =>
    new Persistence({
      id: record.id,
      timeoutMs: WATCH_TIMEOUT_MS,
      clock,
      random,
      keyed: true,
      reading: true,
      patient: true
    })
  let persistence = begin()
  try {
    while (!isOver()) {
      if (!router.isRunning) throw new NotStartedError('agents do not run')
      persistence.attempts++
      try {
        for await (const seen of watchOwner(components, router, record, signal)) {
          persistence = begin()
          yield seen
        }
      } catch (error) {
        if (isOver()) return
        const final = persistence.failed(error)
        if (final !== undefined) throw final
        if (persistence.attempts === 1) log?.(`the watch of ${record.id} broke: ${String(error)}`)
      }
      if (!isOver() && router.isRunning) await wake.wait(persistence.pauseMs())
    }
  } finally {
    wake.now()
    unlisten()
    signal?.removeEventListener('abort', onEvent)
  }
}

/** The states that one owner shows, until it ends or the view says that it owns the agent no more. */
async function* watchOwner(
  components: AgentComponents,
  router: Router,
  record: AgentRecord,
  signal: AbortSignal | undefined
): AsyncIterable<Seen> {
  const { clock, rpc, membership, state } = components
  const owner = router.ownerOf(record)
  if (owner === undefined) throw new UnavailableError(`no member of the view may own ${record.id}`)
  const moved = new AbortController()
  const onChange = (): void => {
    if (!router.isRunning || router.ownerOf(record) !== owner) {
      moved.abort(new AbortedError(`${record.id} has another owner`))
    }
  }
  const onAbort = (): void => moved.abort(signal?.reason)
  const unlisten = router.listen(onChange)
  signal?.addEventListener('abort', onAbort)
  try {
    const view = membership.view?.number ?? 0
    const request = WatchRequest.encode({ agent: record.id, view })
    const options = { signal: moved.signal, timeoutMs: WATCH_TIMEOUT_MS }
    for await (const bytes of rpc.stream(owner, WATCH, request, options)) {
      const { document, epoch } = WatchItem.decode(bytes)
      if (document !== undefined) {
        yield { document: decodeDocument(document), epoch }
      } else {
        // Too large to come with the news.
        const limits = limitsOf(clock, { signal: moved.signal })
        yield await router.read(record, limits, (late) => state.read(record, { signal: late }))
      }
    }
  } finally {
    unlisten()
    signal?.removeEventListener('abort', onAbort)
  }
}
