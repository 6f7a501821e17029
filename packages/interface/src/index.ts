/**
 * The contracts between Murmuration packages: types and errors, no behaviour.
 *
 * @packageDocumentation
 */
export * from './agent-record.ts'
export * from './discovery.ts'
export * from './errors.ts'
export * from './partition.ts'
export * from './registers.ts'
export * from './registry.ts'
export * from './resilience.ts'
export * from './rpc.ts'
export * from './runtime.ts'
export * from './signals.ts'
export * from './state.ts'
export * from './storage.ts'
export * from './view.ts'
