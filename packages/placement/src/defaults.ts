/**
 * Slots of a cluster that chose none. Unit: slots. With 16,384 the busiest of 100 members has about
 * 1.2 times the mean; over 100 members 65,536 are better.
 */
export const slotsDefault = 16_384

/** Most slots of a cluster. Unit: slots. Bounds the table: 14 bytes per slot. */
export const slotsMax = 1_048_576

/** Most copies of an agent. Unit: members. Only so many members of each slot are remembered. */
export const replicasMax = 7

/** Most members of a view. Unit: members. The table keeps their places as 16-bit numbers. */
export const membersMax = 65_535

/** Range of a member's weight. No unit: only the ratio to other members counts. */
export const weightMin = 1
export const weightMax = 1000

/**
 * Keys whose slot is remembered by one placement. Unit: keys. Hashing a key takes about 2 µs,
 * remembering it about 100 bytes.
 */
export const slotCacheMax = 65_536
