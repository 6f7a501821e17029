/**
 * Circuit breakers, bulkheads, budgeted retries and hedged reads around any operation.
 *
 * @packageDocumentation
 */
export { withBulkhead } from './bulkhead.ts'
export type { BulkheadOptions } from './bulkhead.ts'
export { createCallGuard } from './call-guard.ts'
export type { CallGuardInit } from './call-guard.ts'
export { isOpenCircuit, withCircuitBreaker } from './circuit-breaker.ts'
export type { CircuitBreakerOptions, GuardedOperation } from './circuit-breaker.ts'
export { defaults } from './defaults.ts'
export { withHedge } from './hedge.ts'
export type { HedgeOptions } from './hedge.ts'
export { createRetryBudget, withRetry } from './retry.ts'
export type { RetryBudget, RetryBudgetOptions, RetryOptions } from './retry.ts'
