import type { RegistryChange, View } from '@murmuration/interface'
import { createPlacement } from '@murmuration/placement'

/**
 * What a view moved by hand, by load or by claim, as changes for watchers. Agents that go elsewhere
 * because members come and go are not among them: that is a share of all there are.
 */
export function movesBetween(
  previous: View | undefined,
  view: View
): readonly Extract<RegistryChange, { readonly type: 'moved' }>[] {
  if (previous === undefined || (previous.moved === undefined && view.moved === undefined)) {
    return []
  }
  const [before, after] = [createPlacement(previous), createPlacement(view)]
  const keys = new Set([previous, view].flatMap(({ moved = [] }) => moved.flatMap((m) => m.keys)))
  return [...keys].flatMap((id) => {
    // A shard key is no id, and says nothing of the agents that have it.
    if (id.split('/').length !== 3) return []
    const agent = { id, placement: 'hash', replicas: 3 } as const
    const [from, to] = [before.ownerOf(agent), after.ownerOf(agent)]
    if (from === undefined || to === undefined || from.peer === to.peer) return []
    return [{ type: 'moved', id, from: from.peer, peer: to.peer, reason: `view ${view.number}` }]
  })
}
