import type { View } from '@murmuration/interface'
import { createPlacement } from '@murmuration/placement'
import { homeSetOf } from './core/home-set.ts'
import type { Group, HomeSet } from './core/home-set.ts'
import { partsOf } from './core/register-name.ts'

const cache = new WeakMap<View, Map<Group, HomeSet>>()

/** The home set of a group by the placement of a view, made once for each view object. */
export function homesOf(view: View, group: Group): HomeSet {
  let sets = cache.get(view)
  if (sets === undefined) {
    sets = new Map()
    cache.set(view, sets)
  }
  let set = sets.get(group)
  if (set === undefined) {
    const { replicas, slot } = partsOf(group)
    set = homeSetOf(view, createPlacement(view).homeOfSlot(slot, replicas))
    sets.set(group, set)
  }
  return set
}
