/** Times and bounds of this package. */
export const defaults = {
  /** Milliseconds between two reports of links while any link is broken. One round of gossip. */
  reportMs: 1_000,
  /** Milliseconds after which a report is forgotten: five missed rounds. */
  reportAgeMaxMs: 5_000,
  /** Milliseconds of calm after which a split is reported to be over: late reports have passed. */
  healedMs: 3_000,
  /** Rows in one report. Above so many members only the first are passed on. */
  rowsMax: 64,
  /** Entries of one row. */
  entriesMax: 1_024,
  /** Milliseconds that one report may take to be sent. */
  sendTimeoutMs: 2_000,
  /** Reports that this peer sends at once. */
  sendsMax: 16
}

/*
 * How long links and view must have been at rest before a strategy that is not safe at every moment
 * decides: news of a cut reach all members in the time of failure detection, 6 s, plus one round of
 * reports for each doubling of the members. The figures are those that Pekko recommends for its
 * split brain resolver, which counts in the same way.
 */
const stableAfter: readonly (readonly [members: number, ms: number])[] = [
  [5, 7_000],
  [10, 10_000],
  [20, 13_000],
  [50, 17_000],
  [100, 20_000],
  [1_000, 30_000]
]

/** Milliseconds of rest for a cluster of this size: the figure of the next larger size. */
export function stableAfterMs(members: number): number {
  const row = stableAfter.find(([size]) => members <= size)
  return row?.[1] ?? 30_000
}
