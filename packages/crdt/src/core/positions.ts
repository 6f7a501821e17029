import { limits } from '../defaults.ts'
import type { Context } from './context.ts'
import { writerOf } from './context.ts'
import type { ListElement, ListField } from './fields.ts'

/*
 * A position is a path in a tree, as [digit, dot, digit, dot …]; the last dot is the one that wrote
 * it, so no two positions are equal. Paths compare step by step by digit, then dot; a path comes
 * before those that extend it. A run that one writer inserts becomes children of its first element
 * with rising digits, so that two runs inserted at one place at the same time do not interleave.
 * Unlike a tree of references (RGA, Fugue) nothing of a deleted element has to stay.
 */

/** Largest size of a digit. */
export const digitMax: number = 2 ** 40

type Position = readonly number[]

function comparePositions(a: Position, b: Position, context: Context): number {
  const shared = Math.min(a.length, b.length)
  for (let i = 0; i < shared; i += 2) {
    const digits = (a[i] ?? 0) - (b[i] ?? 0)
    if (digits !== 0) return digits
    const dotA = a[i + 1] ?? 0
    const dotB = b[i + 1] ?? 0
    if (dotA !== dotB) return context.compare(dotA, dotB)
  }
  return a.length - b.length
}

function extendsPosition(position: Position, prefix: Position): boolean {
  if (position.length <= prefix.length) return false
  for (let i = 0; i < prefix.length; i++) if (position[i] !== prefix[i]) return false
  return true
}

/** A new position for `dot` between two neighbours (undefined: the end of the list). */
export function positionBetween(
  left: Position | undefined,
  right: Position | undefined,
  dot: number,
  context: Context
): number[] {
  if (left === undefined) return [right === undefined ? 0 : lower(right[0] ?? 0), dot]
  const depth = left.length / 2
  if (depth >= limits.positionDepthMax) return sibling(left, depth - 1, dot)
  if (right !== undefined && extendsPosition(right, left)) {
    return [...left, lower(right[left.length] ?? 0), dot]
  }
  const child = [...left, 0, dot]
  // The own run goes on under its head; others start as high in the tree as fits, to stay short.
  const own = writerOf(left[left.length - 1] ?? 0) === writerOf(dot)
  if (own && depth === 1) return child
  for (let level = own ? depth - 1 : 0; level < depth; level++) {
    const position = sibling(left, level, dot)
    if (right === undefined || comparePositions(position, right, context) < 0) return position
  }
  return child
}

function sibling(left: Position, level: number, dot: number): number[] {
  return [...left.slice(0, level * 2), Math.min((left[level * 2] ?? 0) + 1, digitMax), dot]
}

// Digits run out only if a peer made them up; then elements land beside the wanted place.
function lower(digit: number): number {
  return Math.max(digit - 1, -digitMax)
}

/** The elements in order. The array belongs to the field. */
export function orderOf(field: ListField, context: Context): readonly ListElement[] {
  field.order ??= [...field.elements.values()].sort((a, b) =>
    comparePositions(a.current, b.current, context)
  )
  return field.order
}

/** Adds an element, and to the known order if there is one. */
export function insertElement(field: ListField, element: ListElement, context: Context): void {
  field.elements.set(element.dot, element)
  const order = field.order
  if (order === undefined) return
  let low = 0
  let high = order.length
  while (low < high) {
    const middle = (low + high) >> 1
    const other = order[middle]
    if (other === undefined || comparePositions(other.current, element.current, context) > 0) {
      high = middle
    } else low = middle + 1
  }
  order.splice(low, 0, element)
}
