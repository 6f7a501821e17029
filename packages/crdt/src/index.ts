/**
 * Delta-state CRDTs with version vectors: documents of counters, registers, sets, maps, lists,
 * flags and extremes that replicas change at the same time and merge without a coordinator.
 *
 * @packageDocumentation
 */
export type { Collection } from './core/collection.ts'
export type { Conflict } from './core/conflicts.ts'
export type { Application, ApplyOptions, Document, Dot, Execution } from './core/document.ts'
export { createDocument, decodeDocument } from './core/document.ts'
export type { Run } from './core/context.ts'
export type { GoneWriters } from './core/judging.ts'
export type { Recording } from './core/draft.ts'
export type {
  BigCounterDraft,
  CounterDraft,
  ExtremeDraft,
  FlagDraft,
  ListDraft,
  LwwDraft,
  MapDraft,
  OpaqueDraft,
  RegisterDraft,
  SetDraft
} from './core/draft-types.ts'
export type { ExecuteOptions } from './core/execute.ts'
export type { Ordered } from './core/order.ts'
export type { Draft, FieldKind, FieldType, OnConflict, Schema, Value } from './core/schema.ts'
export {
  bigCounter,
  counter,
  flag,
  list,
  lww,
  map,
  max,
  min,
  opaque,
  register,
  set
} from './core/schema.ts'
export type { Stamp } from './core/stamp.ts'
export type { CollectionReport } from './core/stability.ts'
export { nextCollection } from './core/stability.ts'
export { clampStamp, isSkewed, medianOffset, nextStamp } from './core/stamp.ts'
export type { Limits } from './defaults.ts'
export { limits } from './defaults.ts'
