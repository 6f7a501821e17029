import { writeFile } from 'node:fs/promises'
import type { FeedResult } from './protocol.ts'

/** What happened after one peer was killed. Null where it was not seen before the end. */
export interface Failover {
  readonly peer: number
  /** From the kill until a survivor had a view without the peer. */
  readonly detectedMs: number | null
  /** From the kill until an agent that ran on the peer answered a call again. */
  readonly servedAgainMs: number | null
}

export interface Report {
  readonly peers: number
  readonly result: FeedResult
  readonly failovers: readonly Failover[]
  readonly errors: readonly string[]
  readonly seconds: number
}

/**
 * Writes the report as JSON. Sums and extremes are exact decimals, so they are written digit by digit
 * (`JSON.rawJSON`) and not through binary numbers.
 */
export async function writeReport(path: string, report: Report): Promise<void> {
  await writeFile(path, `${reportText(report)}\n`)
}

function reportText({ peers, result, failovers, errors, seconds }: Report): string {
  const devices = Object.fromEntries(
    result.devices.map(([id, { count, sum, min, max, last }]) => [
      id,
      { count, sum: raw(sum), min: raw(min), max: raw(max), last: raw(last) }
    ])
  )
  const badLines = result.badLines.map(({ line, reason }) => ({ line, reason }))
  const failed = [...result.errors, ...errors].map((reason) => ({ reason }))
  return JSON.stringify(
    {
      peers,
      seconds,
      devices,
      updates: result.updates,
      calls: result.calls,
      failovers,
      errors: [...badLines, ...failed]
    },
    null,
    2
  )
}

/** `JSON.rawJSON` is in V8 since 11.4; TypeScript's library does not know it yet. */
const raw = (JSON as unknown as { rawJSON: (this: void, text: string) => unknown }).rawJSON
