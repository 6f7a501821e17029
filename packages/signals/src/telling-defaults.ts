/**
 * Streams of which a peer says to have more, and that are looked into at the same time, by peer. Unit:
 * streams. What is above that is told again when peers compare. Higher catches up sooner with a cluster
 * of very many streams, lower bounds the questions that one message can cause, all of them to its sender.
 */
export const toldMax = 256

/** Streams that one exchange names. Unit: streams. */
export const headsMax = 2048

/** Subscriptions, and progress of them, that one exchange tells. Unit: entries of each. */
export const notesMax = 512

/**
 * Ranges of sequences in all notes of progress of one message. Unit: ranges, of 5 values and up to 26
 * bytes each: with the notes, and all else that an answer may hold, below the limits of the codec. At
 * least {@link rangesMax}, so that each note fits.
 */
export const notesRangesMax = 8192

/** Ranges of one stream in an exchange, which comes often and tells again what changes. */
export const exchangedRangesMax = 64

/**
 * Streams times subscriptions of which this peer keeps how far they are because others told it. Unit:
 * entries. What it handles itself it always keeps.
 */
export const progressMax = 65_536

/** How often it is looked for streams that have ended. Unit: milliseconds. */
export const tidyMs = 60_000

/**
 * Streams that are looked at for that in one turn of the event loop. Unit: streams. All of a log that is full
 * of authors that said one thing each would take a tenth of a second.
 */
export const tidyStreamsMax = 4096

/**
 * Streams of which no entry is in the log any more, and of which it is remembered how far they went. Unit:
 * streams, of about 1 KiB each. Higher asks less often for what others still have of them.
 */
export const emptiedStreamsMax = 8192

/**
 * How long it is kept what was handled of a stream that has ended, at least; twice the age of the log
 * where that is more. Unit: milliseconds. Shorter keeps less, longer than others may still have it.
 */
export const endedMs = 86_400_000
