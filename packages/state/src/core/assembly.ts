import { MalformedMessageError } from '@murmuration/interface'
import { checkOf } from './copy-messages.ts'
import type { Piece, Resumption } from './copy-messages.ts'

/** A large copy of which the pieces arrive in order; it outlives the streams that bring them. */
export class Assembly {
  readonly id: string
  readonly digest: string
  readonly #bytes: Uint8Array
  #at = 0

  /** Throws `MalformedMessageError` where the copy is larger than there may be. */
  constructor(id: string, { digest, total }: Piece, bytesMax: number) {
    if (total > bytesMax) {
      throw new MalformedMessageError(`${id} has ${total} bytes, the limit is ${bytesMax}`)
    }
    this.id = id
    this.digest = digest
    this.#bytes = new Uint8Array(total)
  }

  get size(): number {
    return this.#bytes.length
  }

  /** Where a stream has to go on. */
  get resumption(): Resumption {
    return { digest: this.digest, at: this.#at }
  }

  /** The whole copy with its last piece. Throws `MalformedMessageError`. */
  add({ at, bytes, check, digest, total }: Piece): Uint8Array | undefined {
    const end = at + bytes.length
    if (digest !== this.digest || total !== this.size || at !== this.#at || end > total) {
      throw new MalformedMessageError(`${this.id}: a piece from ${at} of ${total} does not fit`)
    }
    if (bytes.length === 0 || checkOf(bytes) !== check) {
      throw new MalformedMessageError(`${this.id}: the piece from ${at} is damaged`)
    }
    this.#bytes.set(bytes, at)
    this.#at = end
    if (end < total) return undefined
    if (checkOf(this.#bytes) !== digest) {
      throw new MalformedMessageError(`${this.id}: the pieces make another copy`)
    }
    return this.#bytes
  }
}

/** Copies that are not complete yet, the newest ones up to a number of bytes. */
export class Assemblies {
  readonly #bytesMax: number
  readonly #byId = new Map<string, Assembly>()
  #bytes = 0

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax
  }

  /** Takes one out: two streams never add to the same. */
  take(id: string): Assembly | undefined {
    const found = this.#byId.get(id)
    if (found !== undefined) {
      this.#byId.delete(id)
      this.#bytes -= found.size
    }
    return found
  }

  keep(assembly: Assembly): void {
    this.take(assembly.id)
    this.#byId.set(assembly.id, assembly)
    this.#bytes += assembly.size
    for (const id of this.#byId.keys()) {
      if (this.#bytes <= this.#bytesMax) break
      this.take(id)
    }
  }

  clear(): void {
    this.#byId.clear()
    this.#bytes = 0
  }
}
