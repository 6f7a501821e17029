import * as automerge from '@automerge/automerge'
import { createDocument, decodeDocument } from '@murmuration/crdt'
import type { Document } from '@murmuration/crdt'
import { LoroDoc } from 'loro-crdt'
import * as Y from 'yjs'

/** One document of any engine: the same work for all. */
export interface Replica {
  /** Sets all fields at once, as when an agent is born. */
  fill(fields: Readonly<Record<string, number | string>>): void
  /** Sets one field and gives the bytes that other replicas need. */
  set(field: string, value: number | string): Uint8Array
  apply(update: Uint8Array): void
  /** All of it, as small as the engine makes it. */
  save(): Uint8Array
}

export interface Contender {
  readonly name: string
  /** A replica with these fields, written by a writer of its own. */
  create(writer: number, fields: Readonly<Record<string, number | string>>): Replica
  /** A second replica of the same document. */
  copy(of: Replica, writer: number): Replica
  /** Updates that one document can take in a bench of bounded time. */
  readonly updatesMax: number
}

class Murmuration implements Replica {
  readonly #document: Document
  readonly #writer: string
  #tick = 0

  constructor(writer: string, document = createDocument()) {
    this.#document = document
    this.#writer = writer
  }

  fill(fields: Readonly<Record<string, number | string>>): void {
    this.#execute(fields)
  }

  set(field: string, value: number | string): Uint8Array {
    return this.#execute({ [field]: value })
  }

  #execute(fields: Readonly<Record<string, number | string>>): Uint8Array {
    const operations = Object.entries(fields).map(([field, value]) => ({
      field,
      name: 'lww.set',
      args: [value]
    }))
    const stamp = { time: 1.8e12, tick: this.#tick++ }
    return this.#document.execute(operations, { writer: this.#writer, stamp }).delta
  }

  apply(update: Uint8Array): void {
    this.#document.apply(update)
  }

  save(): Uint8Array {
    return this.#document.encode()
  }
}

function yjs(clientId: number): Replica {
  const doc = new Y.Doc()
  doc.clientID = clientId
  const fields = doc.getMap('fields')
  let last: Uint8Array = new Uint8Array()
  doc.on('update', (update: Uint8Array) => {
    last = update
  })
  return {
    fill: (values) => {
      doc.transact(() => {
        for (const [field, value] of Object.entries(values)) fields.set(field, value)
      })
    },
    set: (field, value) => {
      fields.set(field, value)
      return last
    },
    apply: (update) => Y.applyUpdate(doc, update),
    save: () => Y.encodeStateAsUpdateV2(doc)
  }
}

/** Plain text would be a collaborative text, which costs far more. */
function scalar(value: number | string): number | string {
  // Its own type of text without merging, which the types of documents do not know.
  return typeof value === 'string' ? (new automerge.ImmutableString(value) as never) : value
}

class Automerge implements Replica {
  #doc: automerge.Doc<Record<string, number | string>>

  constructor(writer: number, bytes?: Uint8Array) {
    const actor = writer.toString(16).padStart(32, '0')
    this.#doc = bytes === undefined ? automerge.init({ actor }) : automerge.load(bytes, { actor })
  }

  fill(fields: Readonly<Record<string, number | string>>): void {
    this.#doc = automerge.change(this.#doc, (doc) => {
      for (const [field, value] of Object.entries(fields)) doc[field] = scalar(value)
    })
  }

  set(field: string, value: number | string): Uint8Array {
    this.#doc = automerge.change(this.#doc, (doc) => {
      doc[field] = scalar(value)
    })
    return automerge.getLastLocalChange(this.#doc) ?? new Uint8Array()
  }

  apply(update: Uint8Array): void {
    ;[this.#doc] = automerge.applyChanges(this.#doc, [update])
  }

  save(): Uint8Array {
    return automerge.save(this.#doc)
  }
}

function loro(writer: number): Replica {
  const doc = new LoroDoc()
  doc.setPeerId(BigInt(writer))
  const fields = doc.getMap('fields')
  return {
    fill: (values) => {
      for (const [field, value] of Object.entries(values)) fields.set(field, value)
      doc.commit()
    },
    set: (field, value) => {
      const from = doc.version()
      fields.set(field, value)
      doc.commit()
      return doc.export({ mode: 'update', from })
    },
    apply: (update) => void doc.import(update),
    save: () => doc.export({ mode: 'shallow-snapshot', frontiers: doc.frontiers() })
  }
}

function filled(replica: Replica, fields: Readonly<Record<string, number | string>>): Replica {
  replica.fill(fields)
  return replica
}

/** As large as those that Yjs draws for itself. */
function clientIdOf(writer: number): number {
  return 3_000_000_000 + writer
}

export const contenders: readonly Contender[] = [
  {
    name: 'murmuration',
    create: (writer, fields) => filled(new Murmuration(`writer-${writer}`), fields),
    copy: (of, writer) => new Murmuration(`writer-${writer}`, decodeDocument(of.save())),
    updatesMax: 1_000_000
  },
  {
    name: 'yjs',
    create: (writer, fields) => filled(yjs(clientIdOf(writer)), fields),
    copy: (of, writer) => {
      const replica = yjs(clientIdOf(writer))
      // Saved in the second format, which only its own function reads.
      const doc = new Y.Doc()
      Y.applyUpdateV2(doc, of.save())
      replica.apply(Y.encodeStateAsUpdate(doc))
      return replica
    },
    updatesMax: 100_000
  },
  {
    name: 'automerge',
    create: (writer, fields) => filled(new Automerge(writer), fields),
    copy: (of, writer) => new Automerge(writer, of.save()),
    updatesMax: 10_000
  },
  {
    name: 'loro',
    create: (writer, fields) => filled(loro(writer), fields),
    copy: (of, writer) => {
      const replica = loro(writer)
      replica.apply(of.save())
      return replica
    },
    updatesMax: 100_000
  }
]
