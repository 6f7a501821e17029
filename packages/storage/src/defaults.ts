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
