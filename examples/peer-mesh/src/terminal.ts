import { styleText } from 'node:util'
import type { Mesh, Progress } from './mesh.ts'

const REDRAW_MS = 500
const NOTES_SHOWN = 8
/** Milliseconds between two lines of progress where there is no terminal to draw on. */
const PLAIN_PROGRESS_MS = 2_000

/**
 * Shows the run on standard error: a live table or a progress bar on a terminal, plain lines
 * elsewhere. Results go to standard output and are not its business.
 */
export class Terminal {
  readonly #mesh: Mesh
  readonly #feed: boolean
  readonly #drawing = process.stderr.isTTY
  readonly #notes: string[] = []
  readonly #timer: NodeJS.Timeout | undefined
  #progress: Progress | undefined
  #height = 0
  #lastPlainMs = 0

  constructor(mesh: Mesh, feed: boolean) {
    this.#mesh = mesh
    this.#feed = feed
    mesh.on('note', (text) => this.note(text))
    mesh.on('progress', (progress) => this.#onProgress(progress))
    if (this.#drawing) this.#timer = setInterval(() => this.#draw(), REDRAW_MS)
  }

  note(text: string): void {
    if (!this.#drawing) {
      process.stderr.write(`${text}\n`)
      return
    }
    this.#notes.push(text)
    if (this.#notes.length > NOTES_SHOWN) this.#notes.shift()
  }

  end(): void {
    clearInterval(this.#timer)
    if (this.#drawing) this.#draw()
  }

  #onProgress(progress: Progress): void {
    this.#progress = progress
    const now = Date.now()
    if (this.#drawing || now - this.#lastPlainMs < PLAIN_PROGRESS_MS) return
    this.#lastPlainMs = now
    process.stderr.write(`${progressText(progress)}\n`)
  }

  #draw(): void {
    const lines = [...this.#table()]
    if (this.#feed && this.#progress !== undefined)
      lines.push(bar(this.#progress), progressText(this.#progress))
    lines.push('', ...this.#notes)
    const width = process.stderr.columns || 100 // A terminal may tell 0.
    const up = this.#height === 0 ? '' : `\u001B[${this.#height}A`
    this.#height = lines.length
    process.stderr.write(`${up}\u001B[0J${lines.map((line) => cut(line, width)).join('\n')}\n`)
  }

  *#table(): Iterable<string> {
    yield styleText(
      'bold',
      row(
        'peer',
        'condition',
        'view',
        'sees',
        'agents',
        'docs',
        'cpu %',
        'mem %',
        'signals',
        'call p50/p95 ms',
        'rss MB',
        'runs'
      )
    )
    for (const { index, condition, status } of this.#mesh.peers.values()) {
      const shown = row(
        String(index),
        condition,
        String(status?.view ?? '-'),
        status === undefined ? '-' : `${status.reachable.length}/${status.members.length}`,
        String(status?.agents.length ?? 0),
        String(status?.documents ?? 0),
        status?.host?.cpu.toFixed(0) ?? '-',
        status?.host?.memory.toFixed(0) ?? '-',
        String(status?.signals ?? 0),
        status === undefined
          ? '-'
          : `${status.latency.p50.toFixed(1)}/${status.latency.p95.toFixed(1)}`,
        status === undefined ? '-' : (status.rssBytes / 1e6).toFixed(0),
        (status?.agents ?? []).map(({ id }) => id.split('/').slice(1).join('/')).join(' ')
      )
      yield condition === 'up'
        ? shown
        : styleText(condition === 'starting' ? 'yellow' : 'red', shown)
    }
  }
}

const WIDTHS = [5, 10, 5, 6, 7, 6, 6, 6, 8, 16, 7]

function row(...cells: readonly string[]): string {
  return cells.map((cell, at) => cell.padEnd(WIDTHS[at] ?? 8)).join(' ')
}

function bar({ applied, total }: Progress): string {
  const width = 50
  if (total === undefined) return ''
  const full = total === 0 ? width : Math.round((applied / total) * width)
  return `[${'#'.repeat(full)}${'.'.repeat(Math.max(0, width - full))}]`
}

function progressText({ applied, total, perSecond, p50, p95 }: Progress): string {
  const of = total === undefined ? '' : ` of ${total}`
  return `${applied}${of} lines, ${perSecond}/s, call p50 ${p50} ms, p95 ${p95} ms`
}

/** Cuts a line to the width of the terminal; colour codes take no room. */
function cut(line: string, width: number): string {
  // oxlint-disable-next-line no-control-regex -- the escape character is what is looked for
  const plain = line.replace(/\u001B\[[0-9;]*m/g, '')
  return plain.length > width ? plain.slice(0, width) : line
}
