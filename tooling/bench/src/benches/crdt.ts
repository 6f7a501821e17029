import { spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import type { Bench, BenchContext, BenchResult, Promised } from '../bench.ts'
import { contenders } from '../crdt/contenders.ts'
import { measure, sizeAfter } from '../crdt/work.ts'
import type { Measured } from '../crdt/work.ts'

/** What `@murmuration/crdt` is for: many small documents, written for ever. */
const AIMS = {
  updates: 150_000,
  applies: 200_000,
  updateBytes: 40,
  documentKiB: 6,
  millionBytes: 2_048
}
const MEMORY_MS = 20_000

interface Row extends Measured {
  readonly name: string
  readonly documentKiB: number
  readonly documents: number
  readonly sizes: readonly (number | undefined)[]
}

const SIZES: readonly (readonly [updates: number, writers: number])[] = [
  [10_000, 1],
  [10_000, 2],
  [1_000_000, 1]
]

async function memoryOf(name: string): Promise<{ documents: number; bytes: number }> {
  const script = fileURLToPath(new URL('../crdt/memory.ts', import.meta.url))
  // Room for garbage is the same for all, and small: it is not what documents take.
  const args = ['--expose-gc', '--max-semi-space-size=1', script, name, String(MEMORY_MS)]
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] })
  let text = ''
  for await (const chunk of child.stdout) text += String(chunk)
  return JSON.parse(text) as { documents: number; bytes: number }
}

async function rowOf(context: BenchContext, contender: (typeof contenders)[number]): Promise<Row> {
  const { name, updatesMax } = contender
  context.progress(`${name}: updates`)
  const measured = measure(contender)
  context.progress(`${name}: memory`)
  const { bytes, documents } = await memoryOf(name)
  context.progress(`${name}: sizes`)
  const sizes = SIZES.map(([updates, writers]) =>
    updates > updatesMax ? undefined : sizeAfter(contender, updates, writers)
  )
  return { name, ...measured, documentKiB: bytes / 1_024, documents, sizes }
}

async function run(context: BenchContext): Promise<BenchResult> {
  const rows: Row[] = []
  for (const contender of contenders) rows.push(await rowOf(context, contender))
  const [own] = rows
  return {
    tables: [
      {
        title: 'One-field updates of small documents, per second of processor time',
        columns: ['engine', 'updates/s', 'applies/s', 'bytes', 'KiB of memory', 'documents'],
        rows: rows.map((row) => [
          row.name,
          Math.round(row.updates),
          Math.round(row.applies),
          row.updateBytes,
          row.documentKiB,
          row.documents
        ])
      },
      {
        title: 'Bytes of a document after updates to the same 20 keys (-: not measured)',
        columns: ['engine', ...SIZES.map(([count, by]) => `${count / 1_000}k by ${by}`)],
        rows: rows.map(({ name, sizes }) => [name, ...sizes.map((size) => size ?? '-')])
      }
    ],
    figures: Object.fromEntries(rows.map(({ name, ...rest }) => [name, rest])),
    promises: own === undefined ? [] : promisesOf(own)
  }
}

function promisesOf({ updates, applies, updateBytes, documentKiB, sizes }: Row): Promised[] {
  const million = sizes[2] ?? Infinity
  const of = (what: string, found: number, kept: boolean): Promised => ({
    what: `${what}: ${Math.round(found * 10) / 10}`,
    kept
  })
  return [
    of(`at least ${AIMS.updates} updates/s`, updates, updates >= AIMS.updates),
    of(`at least ${AIMS.applies} applies/s`, applies, applies >= AIMS.applies),
    of(`at most ${AIMS.updateBytes} bytes an update`, updateBytes, updateBytes <= AIMS.updateBytes),
    of(`at most ${AIMS.documentKiB} KiB a document`, documentKiB, documentKiB <= AIMS.documentKiB),
    of(`below ${AIMS.millionBytes} bytes after 1 M updates`, million, million < AIMS.millionBytes)
  ]
}

/** The document engine beside Yjs, Automerge and Loro. */
export const crdt: Bench = {
  name: 'crdt',
  summary: 'documents beside Yjs, Automerge and Loro: speed, memory, size',
  timeLimitMs: 240_000,
  run
}
