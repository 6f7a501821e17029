import { InvalidParametersError } from '@murmuration/interface'
import { sha256 } from '@noble/hashes/sha2.js'
import { equals } from 'uint8arrays/equals'
import { createBoundedMap } from './core/bounded-map.ts'
import { equivocationBytesMax, equivocationsWatched } from './defaults.ts'
import { nodeCrypto } from './node-builtins.ts'

/** One signed statement: two of one signer under one stream and sequence must be the same bytes. */
export interface Statement {
  /** PeerId (text) whose signature holds for `bytes`. */
  readonly signer: string
  /** What the sequence counts within, such as a channel and a boot. */
  readonly stream: string
  readonly sequence: number
  /** What must be the same. */
  readonly bytes: Uint8Array
  /** The signed bytes that say so, for the proof. @default `bytes` */
  readonly signed?: Uint8Array
}

/** Two contents under one number. Whoever has the bytes can check both signatures. */
export interface Equivocation {
  readonly signer: string
  readonly stream: string
  readonly sequence: number
  readonly one: Uint8Array
  readonly other: Uint8Array
}

/** Notices equivocation among the latest statements. */
export interface EquivocationWatch {
  /** The proof, the first time that a second content shows. */
  observe(statement: Statement): Equivocation | undefined
}

/**
 * A peer that says one thing to some and another thing to others, under the same number, does so on
 * purpose: an honest one raises its boot before it numbers anything anew (rules, terms). Remembers
 * the last `max` statements (default 16384), and of their signed bytes, which are the proof,
 * `bytesMax` in all (default 8 MiB). Show it the statements of known peers only: keys cost nothing.
 */
export function createEquivocationWatch(
  init: { readonly max?: number; readonly bytesMax?: number } = {}
): EquivocationWatch {
  const { max = equivocationsWatched, bytesMax = equivocationBytesMax } = init
  if (!Number.isSafeInteger(max) || max < 1) {
    throw new InvalidParametersError('max must be an integer of 1 or more')
  }
  // The oldest first.
  const seen = new Map<string, { readonly hash: Uint8Array; readonly signed: Uint8Array }>()
  const told = createBoundedMap<string, true>(max)
  let bytesKept = 0
  const makeRoom = (): void => {
    for (const [name, { signed }] of seen) {
      if (seen.size <= max && bytesKept <= bytesMax) return
      seen.delete(name)
      bytesKept -= signed.length
    }
  }
  return {
    observe: ({ signer, stream, sequence, bytes, signed = bytes }) => {
      const name = JSON.stringify([signer, stream, sequence])
      const hash = hashOf(bytes)
      const before = seen.get(name)
      if (before === undefined) {
        seen.set(name, { hash, signed: signed.slice() })
        bytesKept += signed.length
        makeRoom()
        return undefined
      }
      if (equals(before.hash, hash) || told.get(name) !== undefined) return undefined
      told.set(name, true)
      return { signer, stream, sequence, one: before.signed, other: signed.slice() }
    }
  }
}

function hashOf(bytes: Uint8Array): Uint8Array {
  return nodeCrypto === undefined
    ? sha256(bytes)
    : nodeCrypto.createHash('sha256').update(bytes).digest()
}
