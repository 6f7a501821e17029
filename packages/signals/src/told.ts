import { streamKey } from './core/streams.ts'
import type { StreamName } from './core/streams.ts'
import * as defaults from './defaults.ts'
import type { SignalLog } from './log.ts'

/** How far a peer says that a stream goes, and how often it did not answer for it. */
interface Word {
  readonly head: number
  failures: number
}

/**
 * What peers say to have of streams, beyond what this one has seen signed. A word is believed as long
 * as it takes to ask its teller for it: nothing is waited for, or given up, because of words alone.
 */
export class Told {
  readonly #log: SignalLog
  /** By peer, by stream. */
  readonly #words = new Map<string, Map<string, Word>>()

  constructor(log: SignalLog) {
    this.#log = log
  }

  /** False where so many words of that peer are open that this one has to come again later. */
  note(name: StreamName, head: number, peer: string): boolean {
    const key = streamKey(name)
    const words = this.#words.get(peer) ?? new Map<string, Word>()
    const before = words.get(key)
    if (before === undefined && words.size >= defaults.toldMax) {
      return false
    }
    words.set(key, { head: Math.max(head, before?.head ?? 0), failures: before?.failures ?? 0 })
    this.#words.set(peer, words)
    this.#log.noteHead(name, head)
    return true
  }

  /** Somebody who says to have a sequence. */
  teller(name: StreamName, sequence: number): string | undefined {
    return this.#tellers(name).find((peer) => this.#headOf(name, peer) >= sequence)
  }

  /** A peer did not answer for its word, which is forgotten when that happens too often. */
  missed(name: StreamName, peer: string): void {
    const word = this.#words.get(peer)?.get(streamKey(name))
    if (word !== undefined) {
      word.failures += 1
      if (word.failures >= defaults.repairRoundsMax) {
        this.forget(name, peer)
      }
    }
  }

  /** The word of these peers, default: of all, is kept or was idle. */
  forget(name: StreamName, ...peers: readonly string[]): void {
    const key = streamKey(name)
    for (const peer of peers.length > 0 ? peers : this.#tellers(name)) {
      const words = this.#words.get(peer)
      words?.delete(key)
      if (words?.size === 0) {
        this.#words.delete(peer)
      }
    }
    const heads = this.#tellers(name).map((peer) => this.#headOf(name, peer))
    this.#log.settleHead(name, Math.max(0, ...heads))
  }

  #headOf(name: StreamName, peer: string): number {
    return this.#words.get(peer)?.get(streamKey(name))?.head ?? 0
  }

  #tellers(name: StreamName): readonly string[] {
    const key = streamKey(name)
    return [...this.#words].filter(([, words]) => words.has(key)).map(([peer]) => peer)
  }
}
