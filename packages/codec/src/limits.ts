import { bytesMaxDefault, depthMaxDefault, depthMaxMax, itemsMaxDefault } from './defaults.ts'

/** What one encoded value may cost. */
export interface Limits {
  /** Bytes of the whole frame; default 1,048,576. */
  readonly bytesMax?: number
  /** Levels of lists and objects inside each other; default 32, at most 1000. */
  readonly depthMax?: number
  /** Values in the frame, keys included; default 131,072. */
  readonly itemsMax?: number
}

/** {@link Limits} with every default filled in. */
export type FullLimits = Required<Limits>

export function fullLimits(limits: Limits = {}): FullLimits {
  return {
    bytesMax: limits.bytesMax ?? bytesMaxDefault,
    depthMax: Math.min(limits.depthMax ?? depthMaxDefault, depthMaxMax),
    itemsMax: limits.itemsMax ?? itemsMaxDefault
  }
}

/** Field names that would reach the prototype of a plain object. */
export const forbiddenKeys: ReadonlySet<string> = new Set(['__proto__', 'constructor', 'prototype'])
