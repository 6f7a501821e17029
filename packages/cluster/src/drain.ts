import type { AbortOptions } from '@libp2p/interface'
import { createViewFollower } from '@murmuration/membership'
import { createMemoryStore } from '@murmuration/storage'
import { defaults } from './defaults.ts'
import type { PeerParts } from './peer.ts'

export interface DrainOptions extends AbortOptions {
  readonly timeoutMs?: number
}

export function drainDeadline({ platform }: PeerParts, { timeoutMs }: DrainOptions): number {
  return platform.clock.monotonic() + (timeoutMs ?? defaults.drainTimeoutMs)
}

/**
 * Gives the agents of this peer to others while it still is a member: with copies ahead and step by
 * step, so that little is left to move when it leaves. Half of the time is kept for that.
 */
export async function giveAway(
  { motion, membership, platform }: PeerParts,
  { timeoutMs = defaults.drainTimeoutMs, signal }: DrainOptions
): Promise<void> {
  const members = membership.view?.members ?? []
  if (motion === undefined || members.every(({ peer }) => peer === platform.peer)) return
  await motion.giveAway(timeoutMs / 2, signal === undefined ? {} : { signal })
}

/**
 * Leaves the view and waits until the others have everything: a view without this peer is settled,
 * so all that this peer holds is on enough replicas of it. After the deadline it returns all the
 * same: what was acknowledged is on the disks of two peers, of which this one keeps its own.
 */
export async function drain(
  parts: PeerParts,
  options: AbortOptions & { readonly deadline: number }
): Promise<void> {
  const { membership, platform, settings, log } = parts
  const { rpc, discovery, clock, random } = platform
  const others = (membership.view?.members ?? []).filter(({ peer }) => peer !== rpc.peer)
  if (others.length === 0) return
  const late = new AbortController()
  const cancel = clock.schedule(options.deadline - clock.monotonic(), () => late.abort())
  const signal =
    options.signal === undefined ? late.signal : AbortSignal.any([late.signal, options.signal])
  // This peer is no member any more, so it sees what the members agree on as an outsider does.
  const follower = createViewFollower(
    {
      rpc,
      clock,
      random,
      store: createMemoryStore(),
      ...(discovery === undefined ? {} : { discovery })
    },
    { cluster: settings.name, contacts: () => others.map(({ peer }) => peer) }
  )
  try {
    await membership.leave({ signal })
    await follower.start()
    while (!isSettledWithout(follower, rpc.peer)) {
      if (signal.aborted) {
        log('stops before the others have taken over everything')
        return
      }
      await new Promise<void>((resolve) => void clock.schedule(defaults.drainPollMs, resolve))
    }
  } finally {
    cancel()
    await follower.stop()
  }
}

function isSettledWithout(
  { view, settled }: Pick<ReturnType<typeof createViewFollower>, 'view' | 'settled'>,
  peer: string
): boolean {
  return (
    view !== undefined &&
    settled === view.number &&
    view.members.every((member) => member.peer !== peer)
  )
}
