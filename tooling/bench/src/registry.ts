import type { Bench } from './bench.ts'
import { budgets } from './benches/budgets.ts'
import { calls } from './benches/calls.ts'
import { crdt } from './benches/crdt.ts'
import { failover } from './benches/failover.ts'
import { local } from './benches/local.ts'
import { overload } from './benches/overload.ts'
import { registers } from './benches/registers.ts'
import { registry } from './benches/registry.ts'
import { scaling } from './benches/scaling.ts'
import { signals } from './benches/signals.ts'

/** All benches, in the order in which they run. */
export const benches: readonly Bench[] = [
  calls,
  budgets,
  crdt,
  failover,
  local,
  overload,
  registers,
  registry,
  scaling,
  signals
]
