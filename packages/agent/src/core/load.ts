/** How busy the machine of a peer is. */
export interface MachineLoad {
  /** Share of its processors in use, 0 to 1. */
  readonly cpu: number
  /** Share of its memory in use, 0 to 1. */
  readonly memory: number
  /** Milliseconds by which its event loop is late. */
  readonly lagMs: number
}

/** What a peer says of its load, and of the room that it has. */
export interface PeerLoad extends MachineLoad {
  /** PeerId as text. */
  readonly peer: string
  readonly labels: Readonly<Record<string, string>>
  readonly agents: number
  readonly agentsMax: number
  /** What is left of each declared resource. */
  readonly free: Readonly<Record<string, number>>
}

/** What an agent asks of its peer. */
export interface AgentNeeds {
  readonly labels: Readonly<Record<string, string>>
  readonly resources: Readonly<Record<string, number>>
}

/** At this lag, in milliseconds, a peer counts as fully loaded. */
const LAG_FULL_MS = 200
/** By so much another peer must be less loaded before an agent is placed there: else loads chase each other. */
const LOAD_MARGIN = 0.15

/** Whether a peer has the labels and the room that an agent needs. */
export function fits({ labels, resources }: AgentNeeds, load: PeerLoad): boolean {
  return (
    load.agents < load.agentsMax &&
    Object.entries(labels).every(([name, value]) => load.labels[name] === value) &&
    Object.entries(resources).every(([name, amount]) => (load.free[name] ?? 0) >= amount)
  )
}

/** How loaded a peer is, 0 to 1 and above: by whatever it has least of. */
function scoreOf({ cpu, memory, lagMs, agents, agentsMax }: PeerLoad): number {
  return Math.max(cpu, memory, lagMs / LAG_FULL_MS, agents / agentsMax)
}

/**
 * The peer on which an agent should be started: the least loaded of those that fit. The one that is
 * preferred (where hashing puts it) keeps it unless another is clearly less loaded.
 */
export function selectPeerForAgent(
  needs: AgentNeeds,
  loads: readonly PeerLoad[],
  preferred?: string
): PeerLoad | undefined {
  const fitting = loads
    .filter((load) => fits(needs, load))
    .toSorted((a, b) => scoreOf(a) - scoreOf(b) || (a.peer < b.peer ? -1 : 1))
  const [best] = fitting
  const stay = fitting.find(({ peer }) => peer === preferred)
  if (best === undefined || stay === undefined) return best
  return scoreOf(stay) - scoreOf(best) > LOAD_MARGIN ? best : stay
}
