/**
 * Every bound of this package. Units are in the names.
 */

/** `--hours` of an invitation at most: a year, as long as a certificate may hold. */
export const INVITE_HOURS_MAX = 8_760

/** `--timeout` at most, in seconds: a day. Timers end at once above 24 days. */
export const TIMEOUT_SECONDS_MAX = 86_400
