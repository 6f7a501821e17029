/**
 * Bytes of one encoded value. Unit: bytes. A frame above it is refused before it is looked at;
 * larger means more memory that one peer can make another one spend on a single frame.
 */
export const bytesMaxDefault = 1_048_576

/**
 * Levels of lists and objects inside each other. Unit: levels. Bounds the recursion of everything
 * that walks a decoded value; real messages stay below 12.
 */
export const depthMaxDefault = 32

/** Largest `depthMax` that can be asked for. Unit: levels. Reading and writing recurse so deep. */
export const depthMaxMax = 1000

/**
 * Values in one frame, keys included. Unit: values. A frame of 1 MiB could hold a million empty
 * lists, each of which costs far more memory than its one byte; this keeps decoding below 50 ms.
 */
export const itemsMaxDefault = 131_072

/** Magnitude of one bigint. Unit: bytes. Enough for 32,768 bits; arithmetic above it gets slow. */
export const bigintBytesMax = 4096

/** Length of `text()` without a `max`. Unit: UTF-16 code units. */
export const textMaxDefault = 65_536

/** Length of `list()` without a `max`. Unit: elements. */
export const listMaxDefault = 65_536

/** Size of `record()` without a `max`. Unit: entries. */
export const recordMaxDefault = 4096
