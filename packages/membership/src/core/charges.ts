import type { View } from '@murmuration/interface'
import { positionOf } from './lookup.ts'
import type { Accusation } from './messages.ts'

/** Numbers of one accusation: who accuses, whom, of what, and its age in tenths of a second. */
const width = 4

/** Accusations as they travel: members by their position in the view, 8 bytes instead of 130. */
export function packCharges(view: View, accusations: readonly Accusation[]): readonly number[] {
  return accusations.flatMap(({ by, peer, kind, ageMs }) => {
    const positions = [positionOf(view, by), positionOf(view, peer)]
    const isKnown = positions.every((position) => position >= 0)
    return isKnown ? [...positions, kind === 'refused' ? 1 : 0, Math.ceil(ageMs / 100)] : []
  })
}

/** The same accusations, where the receiver has the view of the sender. */
export function unpackCharges(view: View, numbers: readonly number[]): readonly Accusation[] {
  const accusations: Accusation[] = []
  for (let at = 0; at + width <= numbers.length; at += width) {
    const [by = 0, peer = 0, kind = 0, age = 0] = numbers.slice(at, at + width)
    const accuser = view.members[by]?.peer
    const accused = view.members[peer]?.peer
    if (accuser !== undefined && accused !== undefined) {
      const isRefused = kind === 1
      accusations.push({
        by: accuser,
        peer: accused,
        kind: isRefused ? 'refused' : 'silent',
        ageMs: age * 100
      })
    }
  }
  return accusations
}
