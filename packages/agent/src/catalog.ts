import { parseAgentId } from '@murmuration/identity'
import { InvalidParametersError, UnknownAgentError } from '@murmuration/interface'
import type { Schema } from '@murmuration/crdt'
import { compilePattern } from './core/pattern.ts'
import type { AgentType, SignalReaction } from './define.ts'

/** One reaction of a type, with its pattern compiled. */
export interface Reaction {
  readonly pattern: string
  readonly matches: (signalType: string) => boolean
  readonly run: SignalReaction<Schema>
}

/** A type that this peer defines. */
export interface Entry {
  readonly type: AgentType
  readonly reactions: readonly Reaction[]
}

/** The agent types of this peer by name. */
export class Catalog {
  readonly #entries = new Map<string, Entry>()

  /** @throws InvalidParametersError when two types have one name */
  constructor(types: readonly AgentType[]) {
    for (const type of types) {
      const name = `${type.namespace}/${type.type}`
      if (this.#entries.has(name)) {
        throw new InvalidParametersError(`two agent types have the name ${name}`)
      }
      const reactions = Object.entries(type.on).map(([pattern, run]) => ({
        pattern,
        run,
        matches: compilePattern(pattern)
      }))
      this.#entries.set(name, { type, reactions })
    }
  }

  get entries(): Iterable<Entry> {
    return this.#entries.values()
  }

  /** @throws InvalidParametersError for what is no id, UnknownAgentError for a type of others */
  find(id: string): Entry & { readonly key: string } {
    const entry = this.lookUp(id)
    if (entry === undefined) {
      throw new UnknownAgentError(`this peer does not define the type of ${id}`)
    }
    return entry
  }

  /** The same, or undefined for a type of others. @throws InvalidParametersError for what is no id */
  lookUp(id: string): (Entry & { readonly key: string }) | undefined {
    const { namespace, type, key } = parseAgentId(id)
    const entry = this.#entries.get(`${namespace}/${type}`)
    return entry === undefined ? undefined : { ...entry, key }
  }
}
