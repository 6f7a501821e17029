import type { Kind } from './agents.ts'
import { DEADLINE_MS } from './load.ts'
import type { Herd } from './herd.ts'
import { wait } from './herd.ts'
import type { Operation, Reading } from './protocol.ts'

/** What was promised and did not hold. Empty: all held. */
export interface Findings {
  readonly lost: readonly string[]
  readonly doubled: readonly string[]
  readonly resurrected: readonly string[]
  readonly unequal: readonly string[]
  readonly late: readonly string[]
}

/** Milliseconds that an operation may take beyond its deadline, to tell of it. */
const LATE_MS = 1_500
/** Milliseconds after the heal within which all copies must be equal. */
const EQUAL_MS = 10_000

interface Expected {
  readonly added: Set<string>
  readonly maybeAdded: Set<string>
  readonly removed: Set<string>
  readonly maybeRemoved: Set<string>
}

function expectedOf(operations: readonly Operation[]): Map<string, Expected> {
  const expected = new Map<string, Expected>()
  for (const { kind, key, action, name, outcome } of operations) {
    const id = `${kind}/${key}`
    let of = expected.get(id)
    if (of === undefined) {
      of = {
        added: new Set(),
        maybeAdded: new Set(),
        removed: new Set(),
        maybeRemoved: new Set()
      }
      expected.set(id, of)
    }
    if (action === 'add') (outcome === 'ok' ? of.added : of.maybeAdded).add(name)
    if (action === 'remove') (outcome === 'ok' ? of.removed : of.maybeRemoved).add(name)
  }
  return expected
}

/** Compares what the agents hold with what their clients were told. */
/** Of a herd only what is looked at, so that the checks can be checked. */
type Looked = Pick<Herd, 'begun' | 'operations' | 'up' | 'read'>

export async function check(
  herd: Looked,
  frozen: ReadonlySet<number>,
  equalMs = EQUAL_MS
): Promise<Findings> {
  const [asked] = herd.up
  if (asked === undefined) throw new Error('no peer is left to ask')
  const lost: string[] = []
  const doubled: string[] = []
  const resurrected: string[] = []
  for (const [id, of] of expectedOf([...herd.begun, ...herd.operations])) {
    const [kind = '', key = ''] = id.split('/')
    const { count, names } = await readPatiently(herd, kind as Kind, key)
    const held = new Set(names)
    for (const name of of.added) {
      if (!held.has(name) && !of.removed.has(name) && !of.maybeRemoved.has(name)) {
        lost.push(`${id} ${name}`)
      }
    }
    for (const name of of.removed) if (held.has(name)) resurrected.push(`${id} ${name}`)
    const known = new Set([...of.added, ...of.maybeAdded])
    for (const name of held) if (!known.has(name)) doubled.push(`${id} ${name} is nobody's`)
    // Every addition counted once, the acknowledged ones and as many of the others as took effect.
    const most = new Set([...of.added, ...of.maybeAdded]).size
    if (count < of.added.size) lost.push(`${id} counts ${count} of ${of.added.size}`)
    if (count > most) doubled.push(`${id} counts ${count} of at most ${most}`)
  }
  return {
    lost,
    doubled,
    resurrected,
    unequal: await unequalCopies(herd, equalMs),
    // The clock of a client that was frozen went on without it.
    late: lateOf(herd.operations.filter(({ client }) => !frozen.has(client)))
  }
}

async function readPatiently(herd: Looked, kind: Kind, key: string): Promise<Reading> {
  let cause: unknown
  for (let attempt = 0; attempt < 5; attempt++) {
    const peers = herd.up
    const peer = peers[attempt % peers.length]
    if (peer === undefined) break
    try {
      return await herd.read(peer, kind, key, false)
    } catch (error) {
      cause = error
      await wait(1_000)
    }
  }
  throw new Error(`${kind}/${key} cannot be read`, { cause })
}

/** Copies that differ, of every agent that was written, as each peer holds or finds it. */
async function unequalCopies(herd: Looked, withinMs: number): Promise<string[]> {
  const ids = [...expectedOf(herd.begun).keys()]
  const late = Date.now() + withinMs
  for (;;) {
    const unequal: string[] = []
    for (const id of ids) {
      const [kind = '', key = ''] = id.split('/')
      const readings = await Promise.all(
        herd.up.map((peer) =>
          herd.read(peer, kind as Kind, key, true).then(textOf, (error: unknown) => String(error))
        )
      )
      if (new Set(readings).size > 1) unequal.push(id)
    }
    if (unequal.length === 0 || Date.now() > late) return unequal
    await wait(250)
  }
}

function textOf({ count, names }: Reading): string {
  return `${count} ${[...names].toSorted().join(' ')}`
}

function lateOf(operations: readonly Operation[]): string[] {
  return operations
    .filter(({ ms, stalledMs }) => ms - stalledMs > DEADLINE_MS + LATE_MS)
    .map(({ kind, key, action, ms }) => `${action} of ${kind}/${key} took ${Math.round(ms)} ms`)
}
