import { certificateMethods, isPass } from '@murmuration/identity'
import type { Certificate } from '@murmuration/identity'
import type { Role } from '@murmuration/interface'

/**
 * Which roles may use which methods of others, by the longest prefix. `member` votes, holds replicas
 * and owns agents; `edge` publishes, calls, and owns what is pinned to it; `guest` calls.
 */
const permissions: readonly (readonly [prefix: string, roles: readonly Role[]])[] = [
  // Calling, and what it needs: reading, finding, following the view, and certificates.
  ['agent.', ['member', 'edge', 'guest']],
  ['state.read', ['member', 'edge', 'guest']],
  ['state.strong', ['member', 'edge', 'guest']],
  ['registry.where', ['member', 'edge', 'guest']],
  ['registry.view', ['member', 'edge', 'guest']],
  ['membership.view', ['member', 'edge', 'guest']],
  ['discovery.', ['member', 'edge', 'guest']],
  ['identity.', ['member', 'edge', 'guest']],
  // Copies of what is pinned to the very peer that sends or asks for them.
  ['state.pinned.', ['member', 'edge']],
  // Publishing, stopping agents, and the seats of edge peers.
  ['signals.', ['member', 'edge']],
  ['registry.', ['member', 'edge']],
  // Only members grant claims for their side of a split.
  ['registry.merge', ['member']],
  // Voting and holding replicas; and whatever stands nowhere above.
  ['', ['member']]
]

/**
 * Whether a peer with this certificate may use a method. A peer without one is not connected any
 * more, and may do nothing; who has the pass of an invitation may redeem it.
 */
export function mayUse(
  certificate: Pick<Certificate, 'roles' | 'serial'> | undefined,
  method: string
): boolean {
  if (certificate === undefined) return false
  if (isPass(certificate)) return method === certificateMethods.redeem
  const { roles } = certificate
  // Most callers are members, and they may use everything.
  if (roles.includes('member')) return true
  const [, allowed] = permissions.reduce((best, rule) =>
    method.startsWith(rule[0]) && (!method.startsWith(best[0]) || rule[0].length > best[0].length)
      ? rule
      : best
  )
  return roles.some((role) => allowed.includes(role))
}
