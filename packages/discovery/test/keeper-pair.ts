import type { Random } from '@murmuration/interface'
import type { ObservedConnection } from '../src/core/duplicates.ts'
import { ConnectionKeeper } from '../src/core/keeper.ts'
import type { KeeperSettings } from '../src/core/keeper.ts'

export const settings: KeeperSettings = {
  backoffBaseMs: 100,
  backoffMaxMs: 10_000,
  graceMs: 3_000,
  firstGraceMs: 500,
  settleMs: 1_500,
  stableMs: 1_000,
  hintDialIntervalMs: 1_000,
  parallelDialsStart: 4,
  parallelDialsMax: 32,
  slowHandshakeMs: 1_000,
  foundPeersMax: 10_000,
  foundConnectionsMax: 64,
  addressesMax: 16
}

interface Link {
  readonly id: string
  readonly dialler: string
  readonly openedAt: number
  /** Who sees it as open. */
  readonly ends: Set<string>
}

interface Side {
  readonly name: string
  readonly other: string
  keeper: ConnectionKeeper | undefined
  canDial: boolean
}

/**
 * Two keepers and a network with latency, in virtual time. A side that is `undefined` is down: its
 * links are cut and dials to it fail.
 */
export class KeeperPair {
  readonly sides: readonly [Side, Side]
  now = 0
  dials = 0
  readonly #random: Random
  readonly #latencyMaxMs: number
  #links: Link[] = []
  #count = 0
  #events: { readonly at: number; readonly order: number; readonly run: () => void }[] = []
  /** Per side, the time of the planned turn; an older plan is void. */
  readonly #turnAt = new Map<string, number>()

  constructor(random: Random, latencyMaxMs: number) {
    this.#random = random
    this.#latencyMaxMs = latencyMaxMs
    this.sides = [
      { name: 'a', other: 'b', keeper: undefined, canDial: true },
      { name: 'b', other: 'a', keeper: undefined, canDial: true }
    ]
  }

  get links(): readonly Link[] {
    return this.#links.filter(({ ends }) => ends.size === 2)
  }

  start(index: 0 | 1): void {
    const side = this.sides[index]
    side.keeper = new ConnectionKeeper(side.name, this.#random, settings)
    side.keeper.keep([{ peer: side.other, addresses: [`address of ${side.other}`] }], this.now)
    this.#turn(side)
  }

  kill(index: 0 | 1): void {
    const side = this.sides[index]
    side.keeper = undefined
    for (const link of this.#links) {
      link.ends.delete(side.name)
    }
    this.#later(this.#latency(), () => this.#cut(side))
  }

  /** Cuts all links, as a network fault of a moment does. */
  disturb(): void {
    this.#links = []
    for (const side of this.sides) {
      this.#turn(side)
    }
  }

  run(ms: number): void {
    const end = this.now + ms
    for (;;) {
      const next = this.#events
        .filter(({ at }) => at <= end)
        .toSorted((a, b) => a.at - b.at || a.order - b.order)[0]
      if (next === undefined) {
        break
      }
      this.#events.splice(this.#events.indexOf(next), 1)
      this.now = next.at
      next.run()
    }
    this.now = end
  }

  #cut(side: Side): void {
    this.#links = this.#links.filter(({ ends }) => ends.has(side.name))
    for (const one of this.sides) {
      this.#turn(one)
    }
  }

  #turn(side: Side): void {
    const { keeper } = side
    if (keeper === undefined) {
      return
    }
    keeper.observe(this.#seen(side), this.now)
    for (const action of keeper.step(this.now)) {
      if (action.type === 'dial') {
        this.dials++
        this.#dial(side, keeper)
      } else {
        this.#later(this.#latency(), () => this.#close(action.losers))
      }
    }
    const at = keeper.nextAt()
    if (at !== undefined) {
      this.#turnAt.set(side.name, at)
      this.#later(Math.max(0, at - this.now), () => {
        if (this.#turnAt.get(side.name) === at) {
          this.#turn(side)
        }
      })
    }
  }

  #dial(side: Side, keeper: ConnectionKeeper): void {
    this.#later(this.#latency(), () => {
      const remote = this.sides[side === this.sides[0] ? 1 : 0]
      const isUp = remote.keeper !== undefined && side.keeper === keeper && side.canDial
      const isOpen = [...(this.#seen(side).get(side.other) ?? [])].length > 0
      if (isUp && !isOpen) {
        const link: Link = {
          id: `link ${this.#count++}`,
          dialler: side.name,
          openedAt: this.now,
          ends: new Set([side.name])
        }
        this.#links.push(link)
        // The dialled side sees the connection a little later.
        this.#later(this.#latency(), () => {
          if (remote.keeper !== undefined && link.ends.has(side.name)) {
            link.ends.add(remote.name)
            this.#turn(remote)
          }
        })
      }
      if (side.keeper === keeper) {
        keeper.observe(this.#seen(side), this.now)
        keeper.dialEnded(side.other, this.now)
        this.#turn(side)
      }
    })
  }

  #close(ids: readonly string[]): void {
    this.#links = this.#links.filter(({ id }) => !ids.includes(id))
    for (const side of this.sides) {
      this.#turn(side)
    }
  }

  #seen(side: Side): ReadonlyMap<string, readonly ObservedConnection[]> {
    const open = this.#links
      .filter(({ ends }) => ends.has(side.name))
      .map(({ id, dialler, openedAt }) => ({ id, openedAt, outbound: dialler === side.name }))
    return new Map(open.length > 0 ? [[side.other, open]] : [])
  }

  #latency(): number {
    return this.#random.next() * this.#latencyMaxMs
  }

  #later(delayMs: number, run: () => void): void {
    this.#events.push({ at: this.now + delayMs, order: this.#count++, run })
  }
}
