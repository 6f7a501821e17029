import { checkConvergence } from '@murmuration/testkit'
import type { SetKind } from '../agents.ts'
import type { Herd } from '../herd.ts'
import { wait } from '../herd.ts'
import type { Operation, Reading } from '../protocol.ts'

/** Of a herd only what is looked at, so that the checks can be checked. */
export type Looked = Pick<Herd, 'begun' | 'operations' | 'up' | 'read'>

export interface SetFindings {
  readonly lost: readonly string[]
  readonly doubled: readonly string[]
  readonly resurrected: readonly string[]
  readonly unequal: readonly string[]
  /** Owners that showed all that was acknowledged, but not at once when the cluster was whole. */
  readonly behind: readonly string[]
}

interface Expected {
  readonly kind: SetKind
  readonly key: string
  readonly added: Set<string>
  readonly maybeAdded: Set<string>
  readonly removed: Set<string>
  readonly maybeRemoved: Set<string>
}

function expectedOf(operations: readonly Operation[]): Map<string, Expected> {
  const expected = new Map<string, Expected>()
  for (const { kind, key, action, name, outcome, had } of operations) {
    if (kind !== 'ledger' && kind !== 'board') continue
    const id = `${kind}/${key}`
    let of = expected.get(id)
    if (of === undefined) {
      of = {
        kind,
        key,
        added: new Set(),
        maybeAdded: new Set(),
        removed: new Set(),
        maybeRemoved: new Set()
      }
      expected.set(id, of)
    }
    if (action === 'add') (outcome === 'ok' ? of.added : of.maybeAdded).add(name)
    // Its client knows that the name was added. A side of a split that goes on alone may not have seen
    // that, removes nothing, and says so; where a majority is needed it has been seen.
    const isSeen = had !== false || kind === 'ledger'
    if (action === 'remove') (outcome === 'ok' && isSeen ? of.removed : of.maybeRemoved).add(name)
  }
  return expected
}

/** Compares what the sets hold, at their owners and in all copies, with what clients were told. */
export async function checkSets(herd: Looked, equalMs: number): Promise<SetFindings> {
  const began = Date.now()
  const all = [...expectedOf([...herd.begun, ...herd.operations]).values()]
  const first = await atOwners(herd, all)
  const unequal = await unequalCopies(herd, all, equalMs)
  // Copies had that long to become equal: what an owner does not show then is lost.
  const lacking = all.filter((of) => lacks(first.get(of) ?? nothing))
  const last = await atOwners(herd, lacking)
  const found = all.map((of) => last.get(of) ?? first.get(of) ?? nothing)
  const afterMs = Date.now() - began
  const late = lacking
    .filter((of) => !lacks(last.get(of) ?? nothing))
    .map(({ kind, key }) => `${kind}/${key} showed all only after ${afterMs} ms`)
  return {
    lost: found.flatMap(({ lost }) => lost),
    doubled: found.flatMap(({ doubled }) => doubled),
    resurrected: found.flatMap(({ resurrected }) => resurrected),
    unequal,
    behind: late
  }
}

type AtOwner = Pick<SetFindings, 'lost' | 'doubled' | 'resurrected'>
const nothing: AtOwner = { lost: [], doubled: [], resurrected: [] }

function lacks({ lost, resurrected }: AtOwner): boolean {
  return lost.length + resurrected.length > 0
}

async function atOwners(herd: Looked, all: readonly Expected[]): Promise<Map<Expected, AtOwner>> {
  const found = new Map<Expected, AtOwner>()
  for (const of of all) {
    // oxlint-disable-next-line no-await-in-loop -- one after the other, so that a busy cluster answers.
    found.set(of, judge(of, await readPatiently(herd, of)))
  }
  return found
}

function judge(of: Expected, { count, names }: Reading): AtOwner {
  const lost: string[] = []
  const doubled: string[] = []
  const resurrected: string[] = []
  const id = `${of.kind}/${of.key}`
  const owner = { name: 'its owner', bytes: new Uint8Array(), elements: names }
  for (const { rule, detail } of checkConvergence([owner], {
    added: of.added,
    removed: of.removed,
    perhapsRemoved: of.maybeRemoved
  })) {
    ;(rule === 'removals do not come back' ? resurrected : lost).push(`${id} ${detail}`)
  }
  const known = new Set([...of.added, ...of.maybeAdded])
  for (const name of names) if (!known.has(name)) doubled.push(`${id} ${name} is nobody's`)
  // Every addition counted once, the acknowledged ones and as many of the others as took effect.
  if (count < of.added.size) lost.push(`${id} counts ${count} of ${of.added.size}`)
  if (count > known.size) doubled.push(`${id} counts ${count} of at most ${known.size}`)
  return { lost, doubled, resurrected }
}

async function readPatiently(herd: Looked, { kind, key }: Expected): Promise<Reading> {
  let cause: unknown
  for (let attempt = 0; attempt < 5; attempt++) {
    const peers = herd.up
    const peer = peers[attempt % peers.length]
    if (peer === undefined) throw new Error('no peer is left to ask')
    try {
      return await herd.read(peer, kind, key, false)
    } catch (error) {
      cause = error
      await wait(1_000)
    }
  }
  throw new Error(`${kind}/${key} cannot be read`, { cause })
}

/** Copies that differ, as each peer holds or finds them. */
async function unequalCopies(
  herd: Looked,
  expected: readonly Expected[],
  withinMs: number
): Promise<string[]> {
  const late = Date.now() + withinMs
  for (;;) {
    const unequal: string[] = []
    for (const { kind, key } of expected) {
      const readings = await Promise.all(
        herd.up.map(async (peer) => {
          const text = await herd.read(peer, kind, key, true).then(textOf, String)
          const count = /^\d+/.exec(text)?.[0] ?? text
          return { name: `${peer.index}: ${count}`, bytes: Buffer.from(text), elements: [] }
        })
      )
      if (checkConvergence(readings).length === 0) continue
      unequal.push(`${kind}/${key} (counts ${readings.map(({ name }) => name).join(', ')})`)
    }
    if (unequal.length === 0 || Date.now() > late) return unequal
    await wait(250)
  }
}

function textOf({ count, names }: Reading): string {
  return `${count} ${[...names].toSorted().join(' ')}`
}
