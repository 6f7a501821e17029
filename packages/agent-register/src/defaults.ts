/**
 * Bytes of the strong state of one agent (rule 1). It travels with every ballot, so larger ones slow
 * down each update of it.
 */
export const strongBytesMax = 262_144

/**
 * Sessions of which a register remembers the updates. More memory in each register against more
 * updates that are told to read again because their session was forgotten.
 */
export const sessionsMax = 64

/**
 * Bytes of the results that one register keeps for repetitions. They travel with every ballot; past
 * this, sessions that were not used for longest are forgotten, as past `sessionsMax`.
 */
export const resultsBytesMax = 65_536

/** Updates of one session that are not confirmed to its client yet; more are refused. */
export const openUpdatesMax = 64
