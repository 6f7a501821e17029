import type { View } from '@murmuration/interface'
import { createPlacement } from '@murmuration/placement'
import type { Placement } from '@murmuration/placement'

const placements = new WeakMap<View, Placement>()

/** The placement of a view, made once for each view object. */
export function placementOf(view: View): Placement {
  let placement = placements.get(view)
  if (placement === undefined) {
    placement = createPlacement(view)
    placements.set(view, placement)
  }
  return placement
}
