import {
  anything,
  boolean,
  float,
  list,
  message,
  object,
  optional,
  record,
  text
} from '@murmuration/codec'
import { AbortedError, InvalidParametersError } from '@murmuration/interface'
import type { Clock, OfferedAction, Random, Rpc } from '@murmuration/interface'
import type { Logger } from '@libp2p/interface'
import { toString } from 'uint8arrays/to-string'
import type { PeerOffer } from './core/offers.ts'
import { withDeadline } from './deadline.ts'
import {
  ASK_PARALLEL_MAX,
  DESCRIPTION_MAX,
  LABELS_MAX,
  OFFER_BYTES_MAX,
  OFFER_CACHE_MAX,
  OFFERED_ACTIONS_MAX,
  TEXT_MAX
} from './defaults.ts'
import type { DiscoveryMetrics } from './metrics.ts'

/** The RPC method by which peers ask each other what they offer. */
const OFFERS_METHOD = 'discovery.offers'

const limits = { bytesMax: OFFER_BYTES_MAX }

const offerFields = {
  labels: record(text({ max: TEXT_MAX }), { max: LABELS_MAX }),
  actions: list(
    object({
      name: text({ max: TEXT_MAX }),
      version: text({ max: TEXT_MAX }),
      inputSchema: optional(anything()),
      description: optional(text({ max: DESCRIPTION_MAX })),
      cost: optional(float()),
      labels: optional(record(text({ max: TEXT_MAX }), { max: LABELS_MAX }))
    }),
    { max: OFFERED_ACTIONS_MAX }
  )
}

/** `tag`: which offer of the asked peer the asker has already. */
const Question = message({ tag: optional(text({ max: TEXT_MAX })) })
/** Without `labels` and `actions` where the asker has them; it said so with the tag. */
const Answer = message(
  {
    tag: text({ max: TEXT_MAX }),
    unchanged: boolean(),
    labels: optional(offerFields.labels),
    actions: optional(offerFields.actions)
  },
  limits
)

/** What came of asking many peers. */
export interface Offers {
  readonly offers: readonly PeerOffer[]
  readonly silent: readonly string[]
}

export interface CapabilitiesComponents {
  /** PeerId (text) of this peer. */
  readonly self: string
  /** Asked for at the last moment: as a service of libp2p it may be made after this one. */
  readonly rpc: () => Rpc
  readonly clock: Clock
  readonly random: Random
  readonly log: Logger
  readonly metrics: DiscoveryMetrics
}

/** What this peer offers, and the question to others what they do. */
export class Capabilities {
  readonly #components: CapabilitiesComponents
  /** By peer, the one asked longest ago first. */
  readonly #cache = new Map<string, { readonly tag: string; readonly offer: PeerOffer }>()
  #own: PeerOffer
  #tag: string
  #encoded: Uint8Array

  constructor(components: CapabilitiesComponents) {
    this.#components = components
    this.#own = { peer: components.self, labels: {}, actions: [] }
    this.#tag = this.#nextTag()
    this.#encoded = Answer.encode({ tag: this.#tag, unchanged: false, labels: {}, actions: [] })
  }

  start(): void {
    this.#components.rpc().handle(OFFERS_METHOD, (request) => {
      const { tag } = Question.decode(request)
      return tag === this.#tag ? Answer.encode({ tag, unchanged: true }) : this.#encoded
    })
  }

  stop(): void {
    this.#components.rpc().unhandle(OFFERS_METHOD)
  }

  get own(): PeerOffer {
    return this.#own
  }

  /** Replaces the own offer; `InvalidParametersError` names what is wrong and changes nothing. */
  offer(actions: readonly OfferedAction[], labels: Readonly<Record<string, string>>): void {
    const tag = this.#nextTag()
    const encoded = Answer.encode({ tag, unchanged: false, labels, actions: [...actions] })
    const seen = new Set<string>()
    for (const { name, version, cost, inputSchema } of actions) {
      const key = JSON.stringify([name, version])
      if (name === '' || seen.has(key)) {
        throw new InvalidParametersError(`action "${name}" ${version} is unnamed or offered twice`)
      }
      if (cost !== undefined && !isCost(cost)) {
        throw new InvalidParametersError(
          `the cost of action "${name}" must be above 0, got ${cost}`
        )
      }
      if (inputSchema !== undefined && !isJson(inputSchema)) {
        throw new InvalidParametersError(`the input schema of action "${name}" must be JSON`)
      }
      seen.add(key)
    }
    // Decoded again, so that the own answer is what others get, and later changes of the
    // caller's objects do nothing.
    const copy = Answer.decode(encoded)
    this.#own = offerOf(this.#components.self, copy)
    this.#tag = tag
    this.#encoded = encoded
  }

  /** Asks all of them; each has `timeoutMs`. Rejects only with `AbortedError`. */
  async ask(
    peers: readonly string[],
    timeoutMs: number,
    signal: AbortSignal | undefined
  ): Promise<Offers> {
    const offers: PeerOffer[] = [this.#own]
    const silent: string[] = []
    const rest = [...peers]
    const worker = async (): Promise<void> => {
      for (let peer = rest.pop(); peer !== undefined; peer = rest.pop()) {
        const offer = await this.#askOne(peer, timeoutMs, signal)
        if (offer === undefined) {
          silent.push(peer)
          this.#components.metrics.silent?.increment()
        } else {
          offers.push(offer)
        }
      }
    }
    await Promise.all(Array.from({ length: Math.min(ASK_PARALLEL_MAX, rest.length) }, worker))
    return { offers, silent }
  }

  /** Undefined where the peer was silent. */
  async #askOne(
    peer: string,
    timeoutMs: number,
    signal: AbortSignal | undefined
  ): Promise<PeerOffer | undefined> {
    const { rpc, clock, log } = this.#components
    const cached = this.#cache.get(peer)
    const request = Question.encode(cached === undefined ? {} : { tag: cached.tag })
    try {
      const response = await withDeadline(clock, timeoutMs, signal, async (inner) =>
        rpc().call(peer, OFFERS_METHOD, request, { timeoutMs, signal: inner })
      )
      const answer = Answer.decode(response)
      if (answer.unchanged && cached?.tag === answer.tag) {
        return cached.offer
      }
      const offer = offerOf(peer, answer)
      this.#remember(peer, answer.tag, offer)
      return offer
    } catch (error) {
      if (signal?.aborted === true) {
        throw new AbortedError('asking for offers was aborted', { cause: error })
      }
      if (error instanceof Error && error.name === 'UnknownMethodError') {
        // It answered: a peer without this package offers nothing.
        return { peer, labels: {}, actions: [] }
      }
      log('%s did not say what it offers: %e', peer, error)
      return undefined
    }
  }

  #remember(peer: string, tag: string, offer: PeerOffer): void {
    this.#cache.delete(peer)
    this.#cache.set(peer, { tag, offer })
    const oldest = this.#cache.keys().next()
    if (this.#cache.size > OFFER_CACHE_MAX && oldest.done !== true) {
      this.#cache.delete(oldest.value)
    }
  }

  /** Random, so that an offer of an earlier start of this peer is never taken for this one. */
  #nextTag(): string {
    return toString(this.#components.random.bytes(12), 'base64url')
  }
}

function offerOf(
  peer: string,
  answer: {
    readonly labels?: Readonly<Record<string, string>>
    readonly actions?: readonly OfferedAction[]
  }
): PeerOffer {
  const actions = (answer.actions ?? []).map((action) => {
    const { cost, inputSchema, ...rest } = action
    // What another peer claims; nonsense counts as not said.
    return {
      ...rest,
      ...(inputSchema !== undefined && isJson(inputSchema) ? { inputSchema } : {}),
      ...(cost !== undefined && isCost(cost) ? { cost } : {})
    }
  })
  return { peer, labels: answer.labels ?? {}, actions }
}

function isCost(cost: number): boolean {
  return cost > 0 && Number.isFinite(cost)
}

/** The codec knows more than JSON: bigints and bytes, which no reader of a schema expects. */
function isJson(value: unknown): boolean {
  if (typeof value === 'object' && value !== null) {
    return !(value instanceof Uint8Array) && Object.values(value).every(isJson)
  }
  return typeof value !== 'bigint'
}
