import { integer, list, message, object, optional, record, text } from '@murmuration/codec'
import type { Infer } from '@murmuration/codec'
import { createOpener, createSealer } from '@murmuration/identity'
import type { Opener } from '@murmuration/identity'
import { InvalidSignatureError } from '@murmuration/interface'
import type { Clock, View } from '@murmuration/interface'
import type { PrivateKey } from '@libp2p/interface'
import { defaults } from '../defaults.ts'

const DOMAIN = 'murmuration-view-summary'

/** Groups of slots, each with one provider record per member that serves it. */
export const SLOT_GROUPS = 64

const name = text({ max: 256 })

/** What a peer outside needs of a view to compute the home of an agent, and to dial it. */
const ViewSummary = message({
  cluster: name,
  number: integer({ min: 1 }),
  slots: integer({ min: 1, max: 1 << 20 }),
  zoneLabel: name,
  members: list(
    object({
      peer: name,
      incarnation: name,
      addresses: list(text({ max: 512 }), { max: 16 }),
      labels: record(name, { max: 64 }),
      weight: integer({ min: 1, max: 1_000 }),
      ownerWeight: optional(integer({ min: 0, max: 1_000_000 })),
      since: integer({ min: 0 })
    }),
    { max: 4_096 }
  ),
  moved: list(object({ peer: name, keys: list(text({ max: 512 }), { max: 2_048 }) }), {
    max: 4_096
  })
})
type ViewSummary = Infer<typeof ViewSummary>

/** Signs what this member knows of its view. */
export async function sealView(
  view: View,
  privateKey: PrivateKey,
  clock: Clock
): Promise<Uint8Array> {
  const payload = ViewSummary.encode({
    cluster: view.cluster,
    number: view.number,
    slots: view.placement.slots,
    zoneLabel: view.placement.zoneLabel,
    members: view.members.map((member) => {
      const { peer, incarnation, weight, ownerWeight, since } = member
      const [addresses, labels] = [[...member.addresses], { ...member.labels }]
      const share = ownerWeight === undefined ? {} : { ownerWeight }
      return { peer, incarnation, addresses, labels, weight, since, ...share }
    }),
    moved: (view.moved ?? []).map(({ peer, keys }) => ({ peer, keys: [...keys] }))
  })
  const sealer = createSealer({ privateKey, clock })
  return sealer.seal({ domain: DOMAIN, type: 'view', sequence: view.number, payload })
}

/** Reads summaries; each must be signed by the member that gave it. */
export class ViewReader {
  readonly #opener: Opener = createOpener()
  readonly #cluster: string

  constructor(cluster: string) {
    this.#cluster = cluster
  }

  /** @throws InvalidSignatureError, MalformedMessageError */
  async read(bytes: Uint8Array, from: string): Promise<View> {
    const { signer, payload } = await this.#opener.open(bytes, {
      domain: DOMAIN,
      bytesMax: defaults.viewSummaryBytesMax
    })
    const summary = ViewSummary.decode(payload)
    if (signer !== from) throw new InvalidSignatureError(`${from} gave a view of ${signer}`)
    if (summary.cluster !== this.#cluster) {
      throw new InvalidSignatureError(`${from} gave a view of cluster ${summary.cluster}`)
    }
    if (summary.members.every(({ peer }) => peer !== signer)) {
      throw new InvalidSignatureError(`${from} is no member of the view that it gave`)
    }
    return viewOf(summary)
  }
}

function viewOf({ slots, zoneLabel, moved, ...view }: ViewSummary): View {
  const [first] = view.members
  return {
    ...view,
    // Who breaks ties is of no use outside.
    tieBreaker: first?.peer ?? '',
    placement: { hash: 'sha256-hrw-1', slots, zoneLabel },
    ...(moved.length === 0 ? {} : { moved })
  }
}
