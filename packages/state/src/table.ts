import { OverloadedError } from '@murmuration/interface'
import type { AgentRecord } from '@murmuration/interface'
import { DocumentCopy } from './core/document-copy.ts'
import type { Mutants } from './core/mutants.ts'
import { Held } from './held.ts'
import { checkRecord } from './settings.ts'
import type { Tenure } from './tenure.ts'

/** The documents that this peer holds. */
export class Table {
  readonly #documents = new Map<string, Held<Tenure>>()
  readonly #mutants: Mutants
  readonly #max: number
  /** Ids of documents whose copy here is damaged, held or not. */
  readonly damaged = new Set<string>()
  /** Highest boot seen of each owner; older ones are refused. */
  readonly boots = new Map<string, number>()

  constructor(init: { readonly mutants: Mutants; readonly documentsMax: number }) {
    this.#mutants = init.mutants
    this.#max = init.documentsMax
  }

  get size(): number {
    return this.#documents.size
  }

  get(id: string): Held<Tenure> | undefined {
    return this.#documents.get(id)
  }

  values(): IterableIterator<Held<Tenure>> {
    return this.#documents.values()
  }

  put(copy: DocumentCopy): Held<Tenure> {
    const held = new Held<Tenure>(copy)
    this.#documents.set(held.id, held)
    return held
  }

  /**
   * The document of a record, made empty where there is none. Throws `OverloadedError`,
   * `InvalidParametersError`.
   */
  obtain(record: AgentRecord): Held<Tenure> {
    const held = this.#documents.get(record.id)
    if (held !== undefined) {
      return held
    }
    checkRecord(record)
    if (this.#documents.size >= this.#max) {
      throw new OverloadedError(`this peer holds ${this.#max} documents, its limit`)
    }
    return this.put(new DocumentCopy(record, this.#mutants))
  }

  drop(held: Held<Tenure>): void {
    if (this.#documents.get(held.id) === held) {
      this.#documents.delete(held.id)
    }
  }
}
