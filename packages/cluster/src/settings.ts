import { InvalidParametersError } from '@murmuration/interface'
import type { Role } from '@murmuration/interface'
import { defaults } from './defaults.ts'
import type { ClusterInit } from './index.ts'

/** The options of a peer, checked and filled in. */
export interface Settings extends ClusterInit {
  readonly agents: NonNullable<ClusterInit['agents']>
  readonly listen: readonly string[]
  readonly bootstrap: readonly string[]
  readonly mdns: boolean
  readonly kademlia: boolean
  readonly strategies: NonNullable<ClusterInit['strategies']>
  readonly role: Role
  readonly labels: Readonly<Record<string, string>>
  readonly weight: number
  readonly motion: Required<NonNullable<ClusterInit['motion']>>
  readonly distributed: boolean
  readonly privateNetwork: boolean
  /** Whether others have to prove that they belong to the cluster. */
  readonly guarded: boolean
}

const NAME = /^[a-z0-9][a-z0-9-]{0,62}$/
const LOOPBACK = /^\/(ip4\/127\.|ip6\/::1\/|dns[46]?\/localhost\/)/

/** Whether a cluster may have this name: 1 to 63 lower-case letters, digits or "-". */
export function isClusterName(name: string): boolean {
  return NAME.test(name)
}

export function settingsOf(init: ClusterInit): Settings {
  if (!isClusterName(init.name)) {
    throw new InvalidParametersError(
      `name must be 1 to 63 lower-case letters, digits or "-", not ${JSON.stringify(init.name)}`
    )
  }
  const modes = [init.secret, init.identity, init.invitation].filter((one) => one !== undefined)
  if (modes.length > 1) {
    throw new InvalidParametersError('give one of secret, identity and invitation')
  }
  const weight = init.weight ?? defaults.weight
  if (!Number.isInteger(weight) || weight < 1 || weight > 1_000) {
    throw new InvalidParametersError(`weight must be a whole number from 1 to 1000, not ${weight}`)
  }
  if (init.damagedStore === 'replace' && (init.bootstrap ?? []).length === 0) {
    throw new InvalidParametersError(
      'damagedStore: replace needs bootstrap: without it this peer would found a new, empty cluster'
    )
  }
  if (init.hints === true && init.kademlia !== true) {
    throw new InvalidParametersError('hints travel through the DHT: set kademlia too')
  }
  const guarded = modes.length > 0
  const role = init.role ?? 'member'
  const bootstrap = init.bootstrap ?? []
  const mdns = init.mdns ?? false
  const distributed = init.distributed ?? process.env.MURMURATION_MODE !== 'single'
  const strategies = init.strategies ?? []
  const isSeeking = bootstrap.length > 0 || mdns || strategies.length > 0
  if (distributed && role !== 'member' && !isSeeking) {
    throw new InvalidParametersError(`a peer of role ${role} needs bootstrap addresses or mdns`)
  }
  return {
    ...init,
    agents: init.agents ?? [],
    listen: listenOn(init.listen, guarded),
    bootstrap,
    mdns,
    kademlia: init.kademlia ?? false,
    strategies,
    role,
    labels: init.labels ?? {},
    weight,
    motion: motionOf(init.motion),
    distributed,
    privateNetwork: init.privateNetwork ?? false,
    guarded
  }
}

function motionOf(init: ClusterInit['motion'] = {}): Settings['motion'] {
  const { perView = defaults.movesPerView, hold = false } = init
  const times = {
    pauseMs: init.pauseMs ?? defaults.movePauseMs,
    patienceMs: init.patienceMs ?? defaults.motionPatienceMs,
    startMs: init.startMs ?? defaults.motionStartMs
  }
  if (!Number.isInteger(perView) || perView < 1 || perView > defaults.perViewMax) {
    const range = `from 1 to ${defaults.perViewMax}`
    throw new InvalidParametersError(`motion.perView must be a whole number ${range}`)
  }
  for (const [name, ms] of Object.entries(times)) {
    if (!(ms >= 0 && ms <= 60_000)) {
      throw new InvalidParametersError(`motion.${name} must be a number from 0 to 60000`)
    }
  }
  return { perView, ...times, hold }
}

/** Without credentials everybody who reaches a port may come in, so it must be a port of loopback. */
function listenOn(listen: readonly string[] | undefined, guarded: boolean): readonly string[] {
  if (listen === undefined) return [guarded ? '/ip4/0.0.0.0/tcp/0' : '/ip4/127.0.0.1/tcp/0']
  const open = listen.find((address) => !LOOPBACK.test(address))
  if (!guarded && open !== undefined) {
    throw new InvalidParametersError(
      `${open} is open to other machines: give the cluster a secret or an identity first`
    )
  }
  return listen
}
