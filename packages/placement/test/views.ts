import type { AgentRecord, Member, View } from '@murmuration/interface'

export function member(
  peer: string,
  traits: { readonly zone?: string; readonly weight?: number; readonly incarnation?: string } = {}
): Member {
  return {
    peer,
    incarnation: traits.incarnation ?? '1',
    addresses: [],
    labels: traits.zone === undefined ? {} : { zone: traits.zone },
    weight: traits.weight ?? 1,
    since: 1
  }
}

export function peers(count: number, salt = 'peer'): Member[] {
  return Array.from({ length: count }, (_, index) => member(`${salt}-${index}`))
}

export function view(members: readonly Member[], slots = 16_384): View {
  return {
    cluster: 'test',
    number: 1,
    members,
    tieBreaker: members[0]?.peer ?? '',
    placement: { hash: 'sha256-hrw-1', slots, zoneLabel: 'zone' }
  }
}

export function agents(count: number, replicas = 3): AgentRecord[] {
  return Array.from({ length: count }, (_, index) => ({
    id: `default/light/${index}`,
    placement: 'hash',
    replicas
  }))
}

export function peersOf(members: readonly Member[]): string[] {
  return members.map(({ peer }) => peer)
}
