import type { Context } from './context.ts'
import type { EntriesField, Field, ListField, Move, SetField } from './fields.ts'
import { currentPosition } from './fields.ts'

/*
 * Removing takes time in proportion to the field and the dots together, never to their product: the
 * dots may be many and made up.
 */

/**
 * Removes what dots wrote in a field. `element` says whose moves they may be in a list. Dots that
 * are not there go to `missing`. True if any was there.
 */
export function removeDots(
  field: Field,
  dots: readonly number[],
  context: Context,
  element: number | undefined,
  missing: number[]
): boolean {
  switch (field.shape) {
    case 'entries':
      return removeEntries(field, dots, missing)
    case 'set':
      return removeElements(field, dots, missing)
    case 'counter':
      // Increments are sums: they are compensated, never removed.
      return false
    case 'list':
      return removeFromList(field, dots, context, element, missing)
  }
}

function removeEntries(field: EntriesField, dots: readonly number[], missing: number[]): boolean {
  const { entries } = field
  const [first] = entries
  if (first !== undefined && entries.length === 1 && dots.length === 1 && first.dot === dots[0]) {
    field.entries = noEntries
    return true
  }
  const gone = new Set(dots)
  const left = entries.filter((entry) => !gone.delete(entry.dot))
  for (const dot of gone) missing.push(dot)
  field.entries = left
  return left.length < entries.length
}

const noEntries: EntriesField['entries'] = Object.freeze([])

function removeElements(field: SetField, dots: readonly number[], missing: number[]): boolean {
  const touched = new Set<string>()
  for (const dot of dots) {
    const key = field.dots.get(dot)
    if (key === undefined) missing.push(dot)
    else {
      touched.add(key)
      field.dots.delete(dot)
    }
  }
  for (const key of touched) {
    const element = field.elements.get(key)
    if (element === undefined) continue
    element.dots = element.dots.filter((dot) => field.dots.has(dot))
    if (element.dots.length === 0) field.elements.delete(key)
  }
  return touched.size > 0
}

function removeFromList(
  field: ListField,
  dots: readonly number[],
  context: Context,
  element: number | undefined,
  missing: number[]
): boolean {
  const rest = new Set<number>()
  for (const dot of dots) {
    if (field.elements.delete(dot)) field.order = withoutElement(field, dot, dots.length)
    else {
      field.ghosts.delete(dot)
      rest.add(dot)
    }
  }
  let changed = rest.size < dots.length
  if (element !== undefined && removeMoves(field, element, rest, context)) changed = true
  for (const dot of rest) missing.push(dot)
  return changed
}

/** The known order without an element; after many removals it is cheaper to sort anew. */
function withoutElement(field: ListField, dot: number, removals: number): ListField['order'] {
  if (field.order === undefined || removals > 4) return undefined
  return field.order.filter((other) => other.dot !== dot)
}

/** Removes moves of one element, and takes those that were there out of `dots`. */
function removeMoves(
  field: ListField,
  owner: number,
  dots: Set<number>,
  context: Context
): boolean {
  const element = field.elements.get(owner)
  const moves: readonly Move[] = element?.moves ?? field.ghosts.get(owner) ?? []
  const left = moves.filter((move) => !dots.delete(move.dot))
  if (left.length === moves.length) return false
  if (element !== undefined) {
    element.moves = left
    element.current = currentPosition(element, context)
    field.order = undefined
  } else if (left.length === 0) field.ghosts.delete(owner)
  else field.ghosts.set(owner, left)
  return true
}

/** Removes what dots wrote, moves included, where nothing says which field or element it was. */
export function removeAnywhere(field: Field, dots: readonly number[], context: Context): void {
  const missing: number[] = []
  removeDots(field, dots, context, undefined, missing)
  if (field.shape !== 'list') return
  const rest = new Set(missing)
  for (const owner of [...field.elements.keys(), ...field.ghosts.keys()]) {
    removeMoves(field, owner, rest, context)
  }
}
