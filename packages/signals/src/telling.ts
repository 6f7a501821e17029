import type { Clock, Rpc } from '@murmuration/interface'
import type { Budget } from './core/budget.ts'
import { Progress as ProgressMessage } from './core/messages.ts'
import type { Notes, ProgressNote, Version } from './core/messages.ts'
import type { Registration } from './core/records.ts'
import type { StreamName } from './core/streams.ts'
import type { Counters } from './counters.ts'
import * as defaults from './defaults.ts'
import { fitting } from './progress.ts'
import type { Progress } from './progress.ts'
import { isOwnId } from './registering.ts'
import type { Registrations } from './registrations.ts'
import { spend } from './spending.ts'

export interface TellingInit {
  readonly self: string
  readonly rpc: Rpc | undefined
  readonly progress: Progress
  readonly registrations: Registrations
  readonly clock: Clock
  readonly budget: Budget
  readonly counters: Counters
  readonly boot: () => number
  /** Others have handled more of a stream. */
  readonly onProgress: (id: string, name: StreamName) => void
}

/** What peers tell each other of durable subscriptions, and what of that is believed. */
export class Telling {
  readonly #init: TellingInit

  constructor(init: TellingInit) {
    this.#init = init
  }

  start(): void {
    const { rpc } = this.#init
    rpc?.handle(defaults.progressMethod, (request, { peer }) => this.#note(request, peer))
  }

  stop(): void {
    this.#init.rpc?.unhandle(defaults.progressMethod)
  }

  /** What is new to whoever has seen a version of what this peer knows. */
  notes(seen: Version | undefined): Notes {
    const { boot, progress, registrations } = this.#init
    const told = seen?.boot === boot() ? seen : { boot: boot(), progress: 0, registrations: 0 }
    const changed = progress.after(told.progress, defaults.notesMax)
    const known = registrations.after(told.registrations, defaults.notesMax)
    return {
      version: { boot: boot(), progress: changed.version, registrations: known.version },
      registrations: known.registrations,
      progress: changed.notes
    }
  }

  /** Takes what a peer tells of subscriptions, its own and those of others. */
  async take(notes: Notes, from: string): Promise<void> {
    const { progress, registrations } = this.#init
    for (const registration of notes.registrations) {
      const heard = this.#believed(registration, from)
      // Seldom any of them is new.
      // oxlint-disable-next-line no-await-in-loop
      const news = heard !== undefined && (await registrations.put(heard))
      if (news && registrations.consumers(registration.id).length === 0) {
        // oxlint-disable-next-line no-await-in-loop
        await progress.forget(registration.id)
      }
    }
    this.merge(notes.progress)
  }

  /** Takes how far subscriptions are. */
  merge(notes: readonly ProgressNote[]): void {
    const { onProgress, progress, registrations, self } = this.#init
    const ids = [...new Set(notes.map(({ id }) => id))]
    // How far its own ones are nobody knows better, unless they have to begin anew.
    const begun = ids.filter((id) => id.startsWith(`${self}/`) && progress.begun(id))
    const known = ids.filter((id) => registrations.consumers(id).length > 0)
    for (const note of notes) {
      if (known.includes(note.id) && !begun.includes(note.id) && progress.merge(note)) {
        onProgress(note.id, note.stream)
      }
    }
  }

  /** Told of progress that is durable here: the others of a group must know at once. */
  written(notes: readonly ProgressNote[]): void {
    const { registrations, rpc, self } = this.#init
    const byPeer = new Map<string, ProgressNote[]>()
    for (const note of notes) {
      if (note.id.startsWith('group/')) {
        for (const peer of registrations.consumers(note.id).filter((each) => each !== self)) {
          byPeer.set(peer, [...(byPeer.get(peer) ?? []), note])
        }
      }
    }
    for (const [peer, progress] of byPeer) {
      const told = fitting(progress.slice(0, defaults.notesMax))
      const request = ProgressMessage.encode({ progress: told })
      rpc
        ?.call(peer, defaults.progressMethod, request, { timeoutMs: defaults.askTimeoutMs })
        // What is lost here comes with the next exchange.
        .catch(() => undefined)
    }
  }

  /** Of its own subscriptions, and of groups, whose consumers tell each other. */
  #note(request: Uint8Array, caller: string): Uint8Array {
    spend(this.#init, caller, request.length)
    const { progress } = ProgressMessage.decode(request)
    this.merge(progress.filter(({ id }) => id.startsWith('group/') || id.startsWith(`${caller}/`)))
    return new Uint8Array(0)
  }

  /**
   * A peer speaks for itself alone. Of another one it may tell that there is a subscription, which
   * holds until that peer says otherwise: its own word is newer than any such one.
   */
  #believed(registration: Registration, from: string): Registration | undefined {
    const { peer, removed } = registration
    if (!isOwnId(registration)) {
      return undefined
    }
    if (peer === from) {
      return registration
    }
    return removed || peer === this.#init.self ? undefined : { ...registration, version: 0 }
  }
}
