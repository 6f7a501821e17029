import { InvalidParametersError } from '@murmuration/interface'
import { dotOf } from './context.ts'
import type { ListElement, ListField } from './fields.ts'
import { tags } from './fields.ts'
import type { Planner } from './planner.ts'
import { orderOf, positionBetween } from './positions.ts'
import { normalize } from './values.ts'

type Run = (planner: Planner, path: readonly string[], args: readonly unknown[]) => void

/**
 * Names a list element in operations: the writer and counter of its insertion. An empty writer
 * names the element that the operation with that index, in the same list of operations, inserted.
 */
export type ElementId = readonly [writer: string, counter: number]

function isElementId(id: unknown): id is ElementId {
  return (
    Array.isArray(id) &&
    id.length === 2 &&
    typeof id[0] === 'string' &&
    Number.isSafeInteger(id[1]) &&
    id[1] >= 0
  )
}

function listAt(planner: Planner, path: readonly string[]): ListField | undefined {
  const field = planner.field(path, tags.list)
  return field?.shape === 'list' ? field : undefined
}

function resolve(
  planner: Planner,
  list: ListField | undefined,
  id: unknown
): ListElement | undefined {
  if (!isElementId(id)) throw new InvalidParametersError('not the id of a list element')
  const [writer, counter] = id
  if (writer === '') {
    const dot = planner.starts[counter]
    if (dot === undefined) throw new InvalidParametersError('no such earlier operation')
    return list?.elements.get(dot)
  }
  const known = planner.state.context.place(writer)
  return known === undefined ? undefined : list?.elements.get(dotOf(known, counter))
}

/**
 * The position between two named neighbours on this document: right after the left one; if it is
 * gone, right before the right one; if both are gone, at the end. A left of null is the beginning.
 */
function place(
  planner: Planner,
  list: ListField | undefined,
  ids: readonly [left: unknown, right: unknown],
  moving: ListElement | undefined
): number[] {
  const [leftId, rightId] = ids
  const left = leftId === null ? undefined : resolve(planner, list, leftId)
  const right = rightId === null ? undefined : resolve(planner, list, rightId)
  const { context } = planner.state
  const known = list === undefined ? [] : orderOf(list, context)
  const order = moving === undefined ? known : known.filter(({ dot }) => dot !== moving.dot)
  let index = order.length
  if (left !== undefined && left !== moving) index = order.indexOf(left) + 1
  else if (right !== undefined && right !== moving) index = order.indexOf(right)
  else if (leftId === null) index = 0
  return positionBetween(order[index - 1]?.current, order[index]?.current, planner.next, context)
}

const push: Run = (planner, path, [value]) => {
  const normal = normalize(value)
  const list = listAt(planner, path)
  const { context } = planner.state
  const last = list === undefined ? undefined : orderOf(list, context).at(-1)
  const position = positionBetween(last?.current, undefined, planner.next, context)
  planner.change(path, tags.list, { write: true, value: normal, position })
}

const insert: Run = (planner, path, [left, right, value]) => {
  const normal = normalize(value)
  const position = place(planner, listAt(planner, path), [left, right], undefined)
  planner.change(path, tags.list, { write: true, value: normal, position })
}

const remove: Run = (planner, path, [id]) => {
  const element = resolve(planner, listAt(planner, path), id)
  if (element !== undefined) planner.change(path, tags.list, { removed: [element.dot] })
}

const move: Run = (planner, path, [id, left, right]) => {
  const list = listAt(planner, path)
  const element = resolve(planner, list, id)
  const position = place(planner, list, [left, right], element)
  // Who is gone is not moved; the neighbours were checked all the same.
  if (element === undefined) return
  const removed = element.moves.map(({ dot }) => dot)
  planner.change(path, tags.list, { write: true, element: element.dot, position, removed })
}

/** How the operations of lists become effects. */
export const planList: Readonly<Record<'push' | 'insert' | 'delete' | 'move', Run>> = {
  push,
  insert,
  delete: remove,
  move
}
