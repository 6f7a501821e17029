/**
 * Collaborative text in documents of `@murmuration/crdt`, by Yjs: a field that holds Yjs updates in
 * an add-wins set, so that text travels, merges and is collected like everything else.
 *
 * @packageDocumentation
 */
import type { FieldType, SetDraft } from '@murmuration/crdt'
import { limits, set } from '@murmuration/crdt'
import { InvalidParametersError, MalformedMessageError } from '@murmuration/interface'
import * as Y from 'yjs'

/** The one text of a Yjs document that this package uses. */
const NAME = 'text'

/** Who edits. */
export interface EditOptions {
  /**
   * A number below 2^32 that names this one edit, from a good source of randomness. Two edits with
   * the same number would lose one of them.
   */
  readonly clientId: number
}

/** A field of collaborative text. Its value is the Yjs updates; see {@link readText}. */
export function text(): FieldType<readonly Uint8Array[], SetDraft<Uint8Array>> {
  return set<Uint8Array>()
}

/** The text that these updates come to, in whatever order. */
export function readText(updates: readonly Uint8Array[]): string {
  // oxlint-disable-next-line typescript/no-base-to-string -- the text of Yjs has one of its own
  return open(updates).getText(NAME).toString()
}

/** Edits the text of a draft with the methods of Yjs: insert, delete, format. */
export function editText(
  draft: SetDraft<Uint8Array>,
  edit: (text: Y.Text) => void,
  { clientId }: EditOptions
): void {
  if (!Number.isInteger(clientId) || clientId < 0 || clientId >= 2 ** 32) {
    throw new InvalidParametersError('clientId is a whole number below 2^32')
  }
  const doc = open(draft.value)
  const before = Y.encodeStateVector(doc)
  if (Y.decodeStateVector(before).has(clientId)) {
    throw new InvalidParametersError(`an edit of this text is already named ${clientId}`)
  }
  doc.clientID = clientId
  const deletedBefore = Y.snapshot(doc)
  doc.transact(() => edit(doc.getText(NAME)))
  // An edit that changes nothing leaves nothing.
  if (Y.equalSnapshots(deletedBefore, Y.snapshot(doc))) return
  draft.add(Y.encodeStateAsUpdate(doc, before))
}

/**
 * Puts all updates into one, so that the field stays as small as its text and the names of its
 * edits. Concurrent edits survive it, and so does the same done elsewhere at the same time. False,
 * and nothing changed, where the one would be over the limit of a value.
 */
export function compactText(draft: SetDraft<Uint8Array>): boolean {
  const updates = draft.value
  if (updates.length < 2) return true
  const whole = Y.encodeStateAsUpdate(open(updates))
  if (whole.length > limits.valueBytesMax - 8) return false
  for (const update of updates) draft.remove(update)
  draft.add(whole)
  return true
}

/** Yjs changes a document before it finds out that bytes are broken, so each gets a new one. */
function open(updates: readonly Uint8Array[]): Y.Doc {
  const doc = new Y.Doc({ gc: true })
  try {
    Y.applyUpdate(doc, updates.length === 1 ? (updates[0] ?? empty) : Y.mergeUpdates([...updates]))
  } catch (cause) {
    if (updates.length === 0) return doc
    throw new MalformedMessageError('an update of the text is damaged', { cause })
  }
  return doc
}

const empty = new Uint8Array([0, 0])
