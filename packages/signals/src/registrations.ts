import type { Clock, Store, StoreOperation } from '@murmuration/interface'
import { OverloadedError } from '@murmuration/interface'
import { patternSegments } from './core/pattern.ts'
import { openRecord, Registration, sealRecord } from './core/records.ts'
import { PatternTrie } from './core/trie.ts'
import * as defaults from './defaults.ts'

export interface RegistrationsInit {
  readonly store: Store
  readonly clock: Clock
  readonly onCorrupt: (key: string, error: unknown) => void
}

/** A subscription that this peer knows of. */
export interface Known {
  readonly registration: Registration
  /** When this peer learned of it; what it logged before was not meant for it. */
  readonly since: number
  /** Rising with each change. */
  readonly version: number
}

/** The durable subscriptions of all peers, as far as this one knows, under `d/<id>|<peer>`. */
export class Registrations {
  readonly #init: RegistrationsInit
  readonly #known = new Map<string, Known>()
  readonly #trie = new PatternTrie<string>()
  #version = 0

  constructor(init: RegistrationsInit) {
    this.#init = init
  }

  async load(): Promise<void> {
    const { clock, onCorrupt, store } = this.#init
    const before = clock.now() - defaults.removedMs
    const forgotten: string[] = []
    for await (const [key, sealed] of store.entries({ prefix: 'd/' })) {
      try {
        // Long before now is as good as the exact time: it was known before this start.
        const registration = openRecord(key, sealed, Registration)
        if (registration.removed && registration.version < before) {
          forgotten.push(key)
        } else {
          this.#take(registration, 0)
        }
      } catch (error) {
        onCorrupt(key, error)
      }
    }
    if (forgotten.length > 0) {
      await store.write(
        forgotten.map((key) => ({ key, value: undefined })),
        { sync: false }
      )
    }
  }

  get(id: string, peer: string): Registration | undefined {
    return this.#known.get(`${id}|${peer}`)?.registration
  }

  list(): readonly Registration[] {
    return [...this.#known.values()].map(({ registration }) => registration)
  }

  /** What has changed after a version, the oldest change first, and the version after that. */
  after(version: number, max: number): { registrations: readonly Registration[]; version: number } {
    const changed = [...this.#known.values()]
      .filter((known) => known.version > version)
      .toSorted((a, b) => a.version - b.version)
      .slice(0, max)
    return {
      registrations: changed.map(({ registration }) => registration),
      version: changed.at(-1)?.version ?? version
    }
  }

  /** The consumers of a subscription. */
  consumers(id: string): readonly string[] {
    return this.list()
      .filter((registration) => registration.id === id && !registration.removed)
      .map(({ peer }) => peer)
  }

  /** The subscriptions that want a type. */
  matching(type: readonly string[]): readonly Known[] {
    return [...this.#trie.match(type)].flatMap((key) => this.#known.get(key) ?? [])
  }

  /** Keeps it durably if it is newer than what is known; whether it was. Throws `OverloadedError`. */
  async put(registration: Registration): Promise<boolean> {
    if (!this.#isNews(registration)) {
      return false
    }
    const operations = this.#roomFor(registration)
    const key = `d/${registration.id}|${registration.peer}`
    const value = sealRecord(Registration.encode(registration))
    await this.#init.store.write([...operations, { key, value }], { sync: true })
    if (this.#isNews(registration)) {
      this.#take(registration, this.#init.clock.now())
    }
    return true
  }

  /** Forgets what was removed long ago where there are too many; what is known needs no room. */
  #roomFor({ id, peer }: Registration): readonly StoreOperation[] {
    const { clock } = this.#init
    if (this.#known.size < defaults.registrationsMax || this.get(id, peer) !== undefined) {
      return []
    }
    const before = clock.now() - defaults.removedMs
    const operations: StoreOperation[] = []
    for (const [key, { registration }] of this.#known) {
      if (registration.removed && registration.version < before) {
        this.#known.delete(key)
        operations.push({ key: `d/${key}`, value: undefined })
      }
    }
    if (this.#known.size >= defaults.registrationsMax) {
      throw new OverloadedError(`${defaults.registrationsMax} durable subscriptions are known`)
    }
    return operations
  }

  #isNews({ id, peer, version }: Registration): boolean {
    return version > (this.get(id, peer)?.version ?? -1)
  }

  #take(registration: Registration, since: number): void {
    const key = `${registration.id}|${registration.peer}`
    const before = this.#known.get(key)
    if (before !== undefined && !before.registration.removed) {
      this.#trie.remove(patternSegments(before.registration.pattern), key)
    }
    const known = before === undefined || before.registration.removed ? since : before.since
    this.#version += 1
    this.#known.set(key, { registration, since: known, version: this.#version })
    if (!registration.removed) {
      this.#trie.add(patternSegments(registration.pattern), key)
    }
  }
}
