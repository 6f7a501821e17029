import fc from 'fast-check'
import type { Member, View } from '@murmuration/interface'
import { describe, expect, it } from 'vitest'
import {
  AgentRegister,
  claimed,
  compareEpochs,
  encodeStrong,
  openUpdatesMax,
  released,
  sessionsMax,
  strongBytesMax
} from '../src/index.ts'
import type { Claimant, StrongOutcome } from '../src/index.ts'
import type { Mutants } from '../src/core/mutants.ts'
import { updateStrong } from '../src/core/strong-update.ts'

const PEERS = ['a', 'b', 'c']

function viewOf(number: number, incarnations: readonly number[]): View {
  const members = PEERS.map((peer, at): Member => {
    const incarnation = String(incarnations[at] ?? 0)
    return { peer, incarnation, addresses: [], labels: {}, weight: 1, since: 1 }
  })
  const placement = { hash: 'sha256-hrw-1', slots: 16_384, zoneLabel: 'zone' } as const
  return { cluster: 'test', number, members, tieBreaker: 'a', placement }
}

/** A peer as the owner of a view. */
function claimant(at: number, view: number, boot = 1, incarnations = [0, 0, 0]): Claimant {
  const peer = PEERS[at] ?? ''
  return {
    peer,
    incarnation: String(incarnations[at] ?? 0),
    epoch: { view, boot },
    view: viewOf(view, incarnations),
    placed: peer
  }
}

const update = (sequence: number, expected: number, session = 's', lowest = 0) => ({
  key: { session, sequence, lowest },
  expected,
  value: encodeStrong([session, sequence])
})

describe('a register of an agent', () => {
  it('comes back from its bytes', () => {
    const { next } = updateStrong(undefined, claimant(0, 1), update(1, 0))
    if (next === undefined) throw new Error('the update was applied')
    expect(AgentRegister.decode(AgentRegister.encode(next))).toEqual(next)
  })

  it('is changed for one side of a split under its version, and its owner goes on from there', () => {
    const { next: first } = updateStrong(undefined, claimant(0, 3), update(1, 0))
    const side = { ...claimant(1, 3), isBranched: true }
    const { next, outcome } = updateStrong(first, side, update(2, 1))
    expect(outcome).toMatchObject({ status: 'applied', version: 2 })
    expect(next).toMatchObject({ owner: 'a', epoch: { view: 3, boot: 1 } })
    expect(updateStrong(next, side, update(2, 1)).outcome).toMatchObject({ status: 'known' })
    expect(updateStrong(next, side, update(3, 1)).outcome).toMatchObject({ status: 'changed' })
    const after = updateStrong(next, claimant(0, 3), update(4, 2))
    expect(after.outcome).toMatchObject({ status: 'applied', version: 3 })
    const { next: later } = updateStrong(after.next, claimant(2, 4), update(5, 3))
    expect(updateStrong(later, side, update(6, 4)).outcome).toMatchObject({ status: 'fenced' })
    const alone = updateStrong(undefined, side, update(1, 0))
    expect(updateStrong(alone.next, claimant(0, 3), update(7, 1)).outcome.status).toBe('applied')
  })

  it('is given up with its strong state kept, and its epoch', () => {
    const { next } = updateStrong(undefined, claimant(0, 3), update(1, 0))
    const given = released(next)
    expect(given).toMatchObject({ status: 'released', epoch: { view: 3, boot: 1 } })
    expect(given?.data?.version).toBe(1)
    expect(claimed(given, claimant(1, 4))?.data?.version).toBe(1)
  })

  it('is not taken back to an older boot of its owner', () => {
    const current = claimed(undefined, claimant(0, 3, 2))
    expect(claimed(current, claimant(0, 3, 1))).toBe(current)
  })
})

describe('a strong update', () => {
  it('tells what the state is where it was computed from another one', () => {
    const { next } = updateStrong(undefined, claimant(0, 1), update(1, 0))
    const { outcome } = updateStrong(next, claimant(0, 1), update(2, 0))
    expect(outcome).toEqual({ status: 'changed', version: 1, value: encodeStrong(['s', 1]) })
  })

  it('is refused when its key was confirmed', () => {
    const one = updateStrong(undefined, claimant(0, 1), update(1, 0))
    const two = updateStrong(one.next, claimant(0, 1), update(2, 1, 's', 2))
    expect(updateStrong(two.next, claimant(0, 1), update(1, 0)).outcome.status).toBe('expired')
  })

  it('is refused when its session was forgotten, unless it has read since', () => {
    let { next } = updateStrong(undefined, claimant(0, 1), update(1, 0, 'first'))
    for (let at = 0; at < sessionsMax; at++) {
      next = updateStrong(next, claimant(0, 1), update(1, at + 1, `other-${at}`)).next
    }
    const version = sessionsMax + 1
    const late = updateStrong(next, claimant(0, 1), update(1, 0, 'first'))
    expect(late.outcome.status).toBe('expired')
    const fresh = updateStrong(next, claimant(0, 1), update(1, version, 'another'))
    expect(fresh.outcome.status).toBe('applied')
    expect(fresh.next?.sessions).toHaveLength(sessionsMax)
  })

  it('is refused above the limits, and changes nothing', () => {
    const large = { ...update(1, 0), value: new Uint8Array(strongBytesMax + 1) }
    const refused = updateStrong(undefined, claimant(0, 1), large)
    expect(refused).toEqual({ next: undefined, outcome: { status: 'too-large' } })
    let next: AgentRegister | undefined
    for (let at = 0; at < openUpdatesMax; at++) {
      next = updateStrong(next, claimant(0, 1), update(at, at)).next
    }
    const one = updateStrong(next, claimant(0, 1), update(openUpdatesMax, openUpdatesMax))
    expect(one).toEqual({ next, outcome: { status: 'overloaded' } })
  })
})

interface Step {
  readonly kind: 'update' | 'view' | 'restart' | 'release' | 'crowd'
  readonly peer: number
  readonly session: number
  readonly repeat: boolean
  readonly stale: boolean
}

const steps = fc.array(
  fc.record<Step>({
    kind: fc.constantFrom(
      'update',
      'update',
      'update',
      'update',
      'view',
      'restart',
      'release',
      'crowd'
    ),
    peer: fc.nat({ max: 2 }),
    session: fc.nat({ max: 2 }),
    repeat: fc.boolean(),
    stale: fc.boolean()
  }),
  { minLength: 5, maxLength: 60 }
)

/** One update of a client, as often as it was sent: the newest copy is the last. */
type Copies = ReturnType<typeof update>[]

/** An owner, clients and late messages on one register, and what went wrong. */
class World {
  readonly #mutants: Mutants
  #register: AgentRegister | undefined
  #view = 1
  #owner = 0
  #version = 0
  #crowds = 0
  readonly #boots = [1, 1, 1]
  readonly #sequences = [0, 0, 0]
  readonly #sent: Copies[] = []
  readonly #applied = new Set<string>()

  constructor(mutants: Mutants) {
    this.#mutants = mutants
  }

  step({ kind, peer, session, repeat, stale }: Step): string | undefined {
    switch (kind) {
      case 'view':
        this.#view++
        this.#owner = peer
        // The new owner merges and claims before it serves.
        this.#register = claimed(this.#register, this.#current())
        return undefined
      case 'restart':
        this.#boots[peer] = (this.#boots[peer] ?? 1) + 1
        return undefined
      case 'release':
        this.#register = released(this.#register)
        return undefined
      case 'crowd':
        for (let at = 0; at < sessionsMax; at++) {
          const problem = this.#send([update(1, this.#version, `crowd-${this.#crowds++}`)], -1)
          if (problem !== undefined) return problem
        }
        return undefined
      case 'update': {
        const old = repeat ? this.#sent[(session * 7 + peer) % this.#sent.length] : undefined
        return this.#send(old ?? this.#fresh(session), stale ? peer : -1)
      }
    }
  }

  #current(): Claimant {
    return claimant(this.#owner, this.#view, this.#boots[this.#owner])
  }

  #fresh(session: number): Copies {
    const sequence = (this.#sequences[session] ?? 0) + 1
    this.#sequences[session] = sequence
    const copies = [update(sequence, this.#version, `s${session}`)]
    this.#sent.push(copies)
    return copies
  }

  /** Late copies reach former owners too; the newest one goes to the owner. */
  #send(copies: Copies, former: number): string | undefined {
    const newest = copies.at(-1) ?? update(0, 0)
    const isLate = former >= 0 && this.#view > 1
    const by = isLate ? claimant(former, this.#view - 1, this.#boots[former]) : this.#current()
    const what = isLate ? (copies[0] ?? newest) : newest
    const { outcome, problem } = this.#take(by, what)
    // Only who was told that it was not applied computes it anew, under the same key.
    if (outcome.status === 'changed' && what === newest) {
      copies.push({ ...newest, expected: outcome.version })
    }
    return problem
  }

  #take(by: Claimant, what: ReturnType<typeof update>) {
    const before = this.#register
    const { next, outcome } = updateStrong(before, by, what, this.#mutants)
    this.#register = next
    return { outcome, problem: this.#problemOf(before, by, what, outcome) }
  }

  #problemOf(
    before: AgentRegister | undefined,
    by: Claimant,
    what: ReturnType<typeof update>,
    outcome: StrongOutcome
  ): string | undefined {
    const next = this.#register
    if (before !== undefined && next !== undefined) {
      if (compareEpochs(next.epoch, before.epoch) < 0) return 'an epoch fell'
    }
    if (outcome.status !== 'applied') return undefined
    if (before !== undefined && compareEpochs(before.epoch, by.epoch) > 0) {
      return 'a fenced owner changed the state'
    }
    const key = `${what.key.session}/${what.key.sequence}`
    if (this.#applied.has(key)) return `${key} was applied twice`
    if (what.expected !== this.#version) return `${key} was computed from another version`
    this.#applied.add(key)
    return outcome.version === ++this.#version ? undefined : 'a version was left out'
  }
}

function play(script: readonly Step[], mutants: Mutants): string | undefined {
  const world = new World(mutants)
  for (const step of script) {
    const problem = world.step(step)
    if (problem !== undefined) return problem
  }
  return undefined
}

describe('strong updates of random owners', () => {
  it('count once, in order, and never by a fenced owner', () => {
    fc.assert(
      fc.property(steps, (script) => {
        expect(play(script, {})).toBeUndefined()
      }),
      { numRuns: 1_000 }
    )
  })

  const broken: readonly [keyof Mutants, string][] = [
    ['noFence', 'fenced'],
    ['ignoreKeys', 'twice'],
    ['noPrecondition', 'another version'],
    ['forgetSilently', 'twice']
  ]
  it.each(broken)('are found wrong with the mutant %s', (name, what) => {
    const { failed } = fc.check(
      fc.property(steps, (script) => !play(script, { [name]: true })?.includes(what)),
      { numRuns: 5_000, seed: 1 }
    )
    expect(failed).toBe(true)
  })
})
