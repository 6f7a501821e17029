import { UnavailableError } from '@murmuration/interface'
import type { AgentRecord, LogSink, Registers, Service } from '@murmuration/interface'
import type { JoiningMembership } from '@murmuration/membership'
import { createEdgeSeat, createSeatClearance, createSeatKeeper } from '@murmuration/registry'
import type { Clearance, Seat } from '@murmuration/registry'
import type { EdgeSeat } from '@murmuration/state'
import { isPinned } from './owner-leases.ts'
import type { Platform } from './platform.ts'
import type { Settings } from './settings.ts'

/** What edge peers need: on themselves, and on members. */
export function openEdges(
  platform: Platform,
  settings: Settings,
  parts: {
    readonly membership: JoiningMembership
    readonly registers: Registers | undefined
    readonly log: LogSink
  }
): {
  readonly seat: Seat | undefined
  readonly clearance: Clearance | undefined
  readonly edge: EdgeSeat | undefined
  /** To be started above the registers. */
  readonly services: readonly (Service | undefined)[]
} {
  const seat = openSeat(platform, settings, parts)
  const clearance = openClearance(platform, settings, parts)
  const keeper = openSeatKeeper(platform, settings, parts)
  return { seat, clearance, edge: edgeOf(settings, seat), services: [keeper, clearance, seat] }
}

/** The seat of an edge peer, where it has types whose agents may be pinned to it. */
function openSeat(
  { rpc, clock, random }: Platform,
  { agents, distributed, role }: Settings,
  { membership, log }: { readonly membership: JoiningMembership; readonly log: LogSink }
): Seat | undefined {
  if (role !== 'edge' || !distributed || !agents.some(isPinned)) return undefined
  return createEdgeSeat({ rpc, membership, clock, random, log })
}

/** As which a peer outside the view owns documents; undefined for members. */
function edgeOf({ role, distributed }: Settings, seat: Seat | undefined): EdgeSeat | undefined {
  return role === 'member' || !distributed ? undefined : (seat ?? noSeat)
}

/** What members do for edge peers. */
function openSeatKeeper(
  { rpc }: Platform,
  { distributed }: Settings,
  parts: { readonly membership: JoiningMembership; readonly registers: Registers | undefined }
): Service | undefined {
  const { membership, registers } = parts
  if (registers === undefined || !distributed) return undefined
  return createSeatKeeper({ rpc, membership, registers })
}

/** Types that this peer defines say how they are placed; those of others may be pinned. */
export function mayPinOf({ agents }: Settings): (record: Pick<AgentRecord, 'id'>) => boolean {
  const others = new Set(
    agents.filter((type) => !isPinned(type)).map(({ namespace, type }) => `${namespace}/${type}`)
  )
  return ({ id }) => !others.has(id.slice(0, id.indexOf('/', id.indexOf('/') + 1)))
}

/** Of a member whose agents may be pinned to it: whether it was an edge peer before. */
function openClearance(
  { clock }: Platform,
  { agents, distributed }: Settings,
  parts: { readonly membership: JoiningMembership; readonly registers: Registers | undefined }
): Clearance | undefined {
  const { membership, registers } = parts
  if (registers === undefined || !distributed || !agents.some(isPinned)) return undefined
  return createSeatClearance({ membership, registers, clock })
}

const noSeat: EdgeSeat = {
  number: undefined,
  whenTaken: () => Promise.reject(new UnavailableError('this peer defines no pinned agents')),
  lost: new AbortController().signal
}
