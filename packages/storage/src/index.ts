/**
 * A small durable key-value store over LevelDB, and the same contract in memory.
 *
 * @packageDocumentation
 */
export { openLevelStore } from './level-store.ts'
export type { LevelStoreInit } from './level-store.ts'
export { createMemoryStore } from './core/memory-store.ts'
export type { MemoryStore } from './core/memory-store.ts'
