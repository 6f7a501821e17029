import type { Clock } from '@murmuration/interface'
import { OverloadedError } from '@murmuration/interface'
import type { Budget } from './core/budget.ts'
import type { Counters } from './counters.ts'

export interface Spending {
  readonly budget: Budget
  readonly clock: Clock
  readonly counters: Counters
}

/** Takes a call out of the budget of a peer; throws `OverloadedError` where that is used up. */
export function spend({ budget, clock, counters }: Spending, peer: string, bytes: number): void {
  if (!budget.take(peer, bytes, clock.monotonic())) {
    counters.count('rejected:over-budget')
    throw new OverloadedError('the peer sends more than its budget')
  }
}
