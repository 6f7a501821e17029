/**
 * Bytes that may wait for the disk, keys and values together. Unit: bytes. A write above it is
 * refused with `OverloadedError`; larger means more memory used before callers notice a slow disk.
 */
export const pendingBytesMaxDefault = 67_108_864

/** Operations that may wait for the disk. Unit: operations. Bounds what many tiny writes cost. */
export const pendingOperationsMaxDefault = 262_144

/**
 * Bytes of one group of writes, unless a single write alone is larger. Unit: bytes. It is twice the
 * write buffer of LevelDB: larger groups save no more syncs, they only make each of them slower.
 */
export const groupBytesMax = 8_388_608

/**
 * How long a lazy write waits for others. Unit: milliseconds. Each group costs a task of a thread;
 * what waits here is lost with a killed process.
 */
export const lazyMs = 10

/** Lazy writes do not wait above so many bytes. Unit: bytes. */
export const lazyBytesMax = 1_048_576

/** Length of a key. Unit: UTF-16 code units. Keys are copied into every index of the store. */
export const keyLengthMax = 4096

/**
 * How long after a failed write it is first looked whether the disk takes writes again, and the longest
 * time between two looks. Unit: ms. Sooner means that a disk that is broken is written to more often.
 */
export const reopenMs: { readonly first: number; readonly longest: number } = {
  first: 500,
  longest: 10_000
}

/**
 * Bytes that have to fit before a store is opened again after a failed write. Unit: bytes. Opening needs
 * up to a write buffer of LevelDB, and a store that cannot be opened cannot be read either.
 */
export const probeBytes = 8_388_608
