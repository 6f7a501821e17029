import type { Ballot } from './ballot.ts'
import type { Lineage } from './lineage.ts'
import type { RegisterName } from './register-name.ts'

/** A value and the ballot under which it was accepted; `undefined` is a deletion. */
export interface Accepted {
  readonly ballot: Ballot
  readonly value: Uint8Array | undefined
  readonly lineage: Lineage
  /**
   * It was accepted without a prepare, because nothing was there. It counts only where all replicas
   * accepted it, so as long as none of them is seen without it.
   */
  readonly isFirst?: boolean
}

/** What a proposer asks of an acceptor about one register. */
export type Request =
  | { readonly type: 'prepare'; readonly name: RegisterName; readonly ballot: Ballot }
  | {
      /** `first`: accepts where nothing was ever promised, else prepares the ballot after this one. */
      readonly type: 'accept' | 'first'
      readonly name: RegisterName
      readonly ballot: Ballot
      readonly value: Uint8Array | undefined
      readonly lineage: Lineage
    }
  | { readonly type: 'peek'; readonly name: RegisterName }
  /** All members of the home set hold the deletion of this ballot. */
  | { readonly type: 'seal'; readonly name: RegisterName; readonly ballot: Ballot }

/** What an acceptor says about one register. */
export type Reply =
  | {
      readonly type: 'promised'
      readonly accepted: Accepted | undefined
      /** Everything that it accepted up to this view is lost; it has no say for older home sets. */
      readonly lostIn?: number
    }
  | { readonly type: 'accepted' }
  | { readonly type: 'held'; readonly accepted: Accepted | undefined }
  | {
      readonly type: 'conflict'
      /** The highest ballot that was promised or accepted. */
      readonly highest: Ballot
      /** The ballot of what is accepted. */
      readonly accepted: Ballot
    }
  | { readonly type: 'sealed' }
  /** Says nothing about the register: its record is damaged, or there is no room, or no duty. */
  | { readonly type: 'refused'; readonly reason: 'damaged' | 'overloaded' | 'misplaced' }

/** What a proposer gets for a request: exactly one answer, at the latest with the deadline. */
export type Answer =
  /** `settled`: what the acceptor knew to be settled when it replied. */
  | { readonly type: 'reply'; readonly reply: Reply; readonly settled: number }
  /** The acceptor has adopted this newer view. */
  | { readonly type: 'fenced'; readonly view: number }
  | { readonly type: 'silent' }
