import { parseArgs } from 'node:util'
import type { SplitStrategy } from './protocol.ts'

/** When something happens: after so many milliseconds, or at a share of the feed. */
export type Moment = { readonly atMs: number } | { readonly share: number }

export type Fault =
  | { readonly kind: 'kill' | 'stop'; readonly peer: number; readonly at: Moment }
  | { readonly kind: 'pause'; readonly peer: number; readonly at: Moment; readonly forMs: number }
  /** The links between peers of different sides are cut, and healed at the end. */
  | {
      readonly kind: 'split'
      readonly sides: readonly (readonly number[])[]
      readonly at: Moment
      readonly forMs: number
    }

export interface MeshOptions {
  readonly peers: number
  /** A path, or `-` for standard input; undefined: live metrics of this machine. */
  readonly feed: string | undefined
  /** End after so many milliseconds; undefined: at Ctrl-C, or at the end of the feed. */
  readonly endAfterMs: number | undefined
  readonly faults: readonly Fault[]
  /** What agents do on the smaller side of a split. */
  readonly onSplit: SplitStrategy
  readonly report: string | undefined
  /** Port of the page; 0 for any free one; undefined for none. */
  readonly dashboard: number | undefined
  readonly data: string | undefined
}

/** An option is wrong; the message is one clear sentence. */
export class OptionError extends Error {
  override readonly name = 'OptionError'
}

export const USAGE = `pnpm mesh [--peers 5] [--feed FILE|-] [--seconds N] [--kill 2@3s|2@50%] [--pause 3@5s+3s]
          [--stop 4@5s] [--split "1,2|3,4,5@5s-15s"] [--on-split pause-minority|continue-all]
          [--report FILE] [--dashboard PORT|off] [--data DIR]`

const PEERS_MAX = 20

export function parseOptions(args: readonly string[]): MeshOptions | 'help' {
  const values = readArgs(args)
  if (values.help === true) return 'help'
  const peers = integer(values.peers ?? '5', '--peers', 1, PEERS_MAX)
  const faults = [
    ...(values.kill ?? []).map((text) => parseFault('kill', text, peers)),
    ...(values.stop ?? []).map((text) => parseFault('stop', text, peers)),
    ...(values.pause ?? []).map((text) => parsePause(text, peers)),
    ...(values.split ?? []).map((text) => parseSplit(text, peers))
  ]
  const feed = values.feed
  if (feed === undefined && faults.some(({ at }) => 'share' in at)) {
    throw new OptionError(
      'A moment in percent needs --feed: without a feed there is no share of it.'
    )
  }
  const seconds = values.seconds
  return {
    peers,
    feed,
    endAfterMs: seconds === undefined ? undefined : positive(seconds, '--seconds') * 1_000,
    faults,
    onSplit: parseStrategy(values['on-split']),
    report: values.report,
    dashboard: parseDashboard(values.dashboard, feed === undefined),
    data: values.data
  }
}

function readArgs(args: readonly string[]): {
  readonly [
    name in 'peers' | 'feed' | 'seconds' | 'report' | 'dashboard' | 'data' | 'on-split'
  ]?: string
} & { readonly [name in 'kill' | 'pause' | 'stop' | 'split']?: string[] } & {
  readonly help?: boolean
} {
  const text = { type: 'string' } as const
  const list = { type: 'string', multiple: true } as const
  try {
    return parseArgs({
      // pnpm passes a `--` through where the user typed one.
      args: args.filter((arg) => arg !== '--'),
      options: {
        peers: text,
        feed: text,
        seconds: text,
        report: text,
        dashboard: text,
        data: text,
        'on-split': text,
        kill: list,
        pause: list,
        stop: list,
        split: list,
        help: { type: 'boolean', short: 'h' }
      }
    }).values
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error)
    throw new OptionError(`${(message.split(/[.\n]/)[0] ?? message).trim()}.`)
  }
}

function parseFault(kind: 'kill' | 'stop', text: string, peers: number): Fault {
  const match = /^(\d+)@(.+)$/.exec(text)
  if (match === null)
    throw new OptionError(`--${kind} ${text}: write PEER@TIME, like 2@3s or 2@50%.`)
  const [, peer = '', at = ''] = match
  return {
    kind,
    peer: integer(peer, `--${kind} ${text}: the peer`, 1, peers),
    at: moment(at, kind)
  }
}

function parsePause(text: string, peers: number): Fault {
  const match = /^(\d+)@([^+]+)\+(.+)$/.exec(text)
  if (match === null) throw new OptionError(`--pause ${text}: write PEER@TIME+TIME, like 3@5s+3s.`)
  const [, peer = '', at = '', length = ''] = match
  const forMs = duration(length)
  if (forMs === undefined) throw new OptionError(`--pause ${text}: ${length} is no time, like 3s.`)
  return {
    kind: 'pause',
    peer: integer(peer, `--pause ${text}: the peer`, 1, peers),
    at: moment(at, 'pause'),
    forMs
  }
}

function parseStrategy(text: string | undefined): SplitStrategy {
  if (text === undefined || text === 'pause-minority') return 'pause-minority'
  if (text === 'continue-all') return text
  throw new OptionError(`--on-split ${text}: write pause-minority or continue-all.`)
}

/** `1,2|3,4,5@5s-15s`: sides, and from when to when. */
function parseSplit(text: string, peers: number): Fault {
  const match = /^([\d,|]+)@([^-]+)-(.+)$/.exec(text)
  if (match === null) {
    throw new OptionError(`--split ${text}: write SIDE|SIDE@TIME-TIME, like 1,2|3,4,5@5s-15s.`)
  }
  const [, parts = '', from = '', to = ''] = match
  const sides = parts
    .split('|')
    .map((part) =>
      part.split(',').map((peer) => integer(peer, `--split ${text}: a peer`, 1, peers))
    )
  const named = sides.flat()
  if (sides.length < 2) throw new OptionError(`--split ${text}: a split has two sides or more.`)
  if (new Set(named).size < named.length) {
    throw new OptionError(`--split ${text}: a peer is on one side only.`)
  }
  const [atMs, endMs] = [duration(from), duration(to)]
  if (atMs === undefined || endMs === undefined || endMs <= atMs) {
    throw new OptionError(`--split ${text}: write two times, the later one last, like 5s-15s.`)
  }
  return { kind: 'split', sides, at: { atMs }, forMs: endMs - atMs }
}

function moment(text: string, option: string): Moment {
  const share = /^(\d+(?:\.\d+)?)%$/.exec(text)
  if (share !== null) {
    const percent = Number(share[1])
    if (percent > 100) throw new OptionError(`--${option}: ${text} is more than the whole feed.`)
    return { share: percent / 100 }
  }
  const atMs = duration(text)
  if (atMs === undefined) {
    throw new OptionError(`--${option}: ${text} is neither a time like 3s nor a share like 50%.`)
  }
  return { atMs }
}

function duration(text: string): number | undefined {
  const match = /^(\d+(?:\.\d+)?)(ms|s|m)?$/.exec(text)
  if (match === null) return undefined
  const unit = match[2] === 'ms' ? 1 : match[2] === 'm' ? 60_000 : 1_000
  return Number(match[1]) * unit
}

function integer(text: string, what: string, min: number, max: number): number {
  const value = Number(text)
  if (!/^\d+$/.test(text) || value < min || value > max) {
    throw new OptionError(`${what} must be a whole number from ${min} to ${max}, not ${text}.`)
  }
  return value
}

function positive(text: string, what: string): number {
  const value = Number(text)
  if (!/^\d+(\.\d+)?$/.test(text) || value <= 0) {
    throw new OptionError(`${what} must be a positive number, not ${text}.`)
  }
  return value
}

/** With a feed the run is short and there is no page unless asked for. */
function parseDashboard(text: string | undefined, live: boolean): number | undefined {
  if (text === 'off') return undefined
  if (text === undefined) return live ? 0 : undefined
  return integer(text, '--dashboard', 0, 65_535)
}
