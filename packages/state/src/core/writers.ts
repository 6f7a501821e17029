import { sha256 } from '@noble/hashes/sha2.js'
import { toString } from 'uint8arrays/to-string'
import type { MemberKey } from './homes.ts'

/**
 * The name under which updates of a document are made: one life of a disk, one start of a process,
 * and a number within it. A peer never goes back to a name that it has left, and each document has
 * names of its own, so those of one life stand in the order in which they were used.
 */
export interface Writer {
  readonly life: string
  readonly boot: number
  readonly number: number
}

/** A short name of one life of a disk. */
export function lifeOf(member: MemberKey): string {
  return toString(sha256(new TextEncoder().encode(member)), 'base64url').slice(0, 8)
}

export function writerName({ life, boot, number }: Writer): string {
  return `${life}.${boot.toString(36)}.${number.toString(36)}`
}

/** Undefined for a name of another form. */
export function parseWriter(name: string): Writer | undefined {
  const match = /^([\w-]{8})\.([\da-z]{1,10})\.([\da-z]{1,10})$/.exec(name)
  const [, life, boot = '', number = ''] = match ?? []
  if (life === undefined) return undefined
  const writer = { life, boot: Number.parseInt(boot, 36), number: Number.parseInt(number, 36) }
  return writerName(writer) === name ? writer : undefined
}

/** Orders the writers of one life. */
export function compareWriters(a: Omit<Writer, 'life'>, b: Omit<Writer, 'life'>): number {
  return a.boot - b.boot || a.number - b.number
}
