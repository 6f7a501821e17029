import type { Contender, Replica } from './contenders.ts'

const FIELDS = Array.from({ length: 20 }, (_, index) => `key${index}`)

/** Twenty fields, half numbers, half short text. */
export function fieldsOf(number: number): Record<string, number | string> {
  return Object.fromEntries(
    FIELDS.map((field, index) => [field, index % 2 === 0 ? number : `value ${number % 100}`])
  )
}

export interface Measured {
  readonly updates: number
  readonly applies: number
  readonly updateBytes: number
}

const DOCUMENTS = 500
const ROUNDS = 4

function write(replica: Replica, i: number): Uint8Array {
  return replica.set(FIELDS[i % 20] ?? '', i % 2 === 0 ? i : `value ${i % 100}`)
}

/** Per second of processor time of this process, so that other work on the machine hardly counts. */
function perSecond(count: number, run: () => void): number {
  const start = process.cpuUsage()
  run()
  const { user, system } = process.cpuUsage(start)
  return count / ((user + system) / 1e6)
}

/** Twenty updates of one field each to 500 small documents, and the same applied by a second replica. */
export function measure(contender: Contender): Measured {
  const rounds: Measured[] = []
  for (let round = 0; round < ROUNDS; round++) {
    const sources: Replica[] = []
    const targets: Replica[] = []
    const documents = contender.name === 'automerge' ? DOCUMENTS / 5 : DOCUMENTS
    for (let i = 0; i < documents; i++) {
      const source = contender.create(1, fieldsOf(i))
      sources.push(source)
      targets.push(contender.copy(source, 2))
    }
    const updates: Uint8Array[][] = []
    const made = perSecond(documents * 20, () => {
      for (const source of sources) {
        const own: Uint8Array[] = []
        for (let i = 0; i < 20; i++) own.push(write(source, i + 1_000))
        updates.push(own)
      }
    })
    const applied = perSecond(documents * 20, () => {
      for (const [i, target] of targets.entries()) {
        for (const update of updates[i] ?? []) target.apply(update)
      }
    })
    const sizes = updates.flat().map(({ length }) => length)
    const bytes = sizes.reduce((a, b) => a + b, 0) / sizes.length
    rounds.push({ updates: made, applies: applied, updateBytes: bytes })
  }
  // The first round warms up.
  const best = (of: (round: Measured) => number): number => Math.max(...rounds.slice(1).map(of))
  return {
    updates: best((round) => round.updates),
    applies: best((round) => round.applies),
    updateBytes: rounds[0]?.updateBytes ?? 0
  }
}

/** Bytes of one document after so many updates of the same twenty keys, by writers in turn. */
export function sizeAfter(contender: Contender, updates: number, writers: number): number {
  const replicas = [contender.create(1, fieldsOf(0))]
  for (let writer = 1; writer < writers; writer++) {
    const [first] = replicas
    if (first !== undefined) replicas.push(contender.copy(first, writer + 1))
  }
  for (let i = 0; i < updates; i++) {
    const replica = replicas[i % writers]
    if (replica === undefined) continue
    const update = write(replica, Math.floor(i / writers))
    // An engine that notices that nothing changes has nothing to send.
    if (writers > 1 && update.length > 0) replicas[(i + 1) % writers]?.apply(update)
  }
  return replicas[0]?.save().length ?? 0
}
