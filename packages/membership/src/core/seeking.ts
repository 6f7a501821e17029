import {
  askTimeoutMs,
  joinRetryMs,
  joinTargetsMax,
  meetMs,
  moveMs,
  moveQuietMs,
  protocolVersions
} from '../defaults.ts'
import type { Context } from './context.ts'
import { memberOf } from './lookup.ts'
import type { JoinAnswer, Standing } from './messages.ts'

/** Peers remembered as members of a cluster, and lineages remembered as warned about. */
const hintsMax = 64
/** How soon a peer without anybody to ask looks again. */
const lookAgainMs = 250

interface Move {
  readonly to: string
  readonly askUntil: number
  readonly quietUntil: number
}

/** Finds the way into a cluster: at first, after a removal, and from a view with nobody else. */
export class Seeking {
  readonly #context: Context
  readonly #hints = new Set<string>()
  readonly #warned = new Set<string>()
  /** Who was left out of a forced view, and may live on in views that do not count any more. */
  readonly #strays = new Set<string>()
  #move: Move | undefined

  constructor(context: Context) {
    this.#context = context
  }

  /** On its way to another cluster: it decides nothing of its own. */
  get isMoving(): boolean {
    return this.#move !== undefined
  }

  /** A member of some cluster is there. */
  hint(peer: string): void {
    if (!this.#hints.has(peer) && this.#hints.size < hintsMax) {
      this.#hints.add(peer)
    }
  }

  /** Asks for admission now and again until it is granted. */
  seek(now: number): void {
    const { history, isLeaving, member, outbox, timers, config } = this.#context
    const move = this.#move
    if (isLeaving || (member !== undefined && move === undefined)) {
      return
    }
    if (move !== undefined && now >= move.quietUntil) {
      outbox.log('info', `${move.to} did not admit this peer: it goes on alone`)
      this.#move = undefined
      timers.set('meet', now + meetMs)
      return
    }
    const targets = move !== undefined && now >= move.askUntil ? [] : this.#targets()
    for (const peer of targets) {
      const join = {
        standing: this.#context.standing(),
        candidate: this.#context.candidate(),
        placement: history.view?.placement ?? config.placement,
        lowest: protocolVersions.lowest,
        highest: protocolVersions.highest,
        forwarded: false
      }
      outbox.request(peer, 'join', join, askTimeoutMs, (answer, later) => {
        this.#answered(peer, answer, later)
      })
    }
    timers.set('join', now + (targets.length === 0 ? lookAgainMs : joinRetryMs))
  }

  /** Another cluster of the same name is there. */
  met(peer: string, { lineage, size }: Standing, now: number): void {
    const { isAlone, isLeaving, outbox, self, timers } = this.#context
    if (isAlone && !isLeaving) {
      if (this.#move === undefined && (size > 1 || peer < self.peer)) {
        outbox.log('info', `this peer is alone and goes over to the cluster of ${peer}`)
        const askUntil = now + moveMs
        this.#move = { to: peer, askUntil, quietUntil: askUntil + moveQuietMs }
        timers.set('join', now)
      }
    } else if (size > 1 && !this.#warned.has(lineage) && this.#warned.size < hintsMax) {
      this.#warned.add(lineage)
      outbox.count('clusters_met')
      outbox.log(
        'error',
        `two clusters of one name have met and are not merged: this one and that of ${peer}, ` +
          `founded by ${lineage}. Stop the members of one, wipe their stores and start them again`
      )
    }
  }

  /** A peer that is alone looks for others, and whoever forced a view for those it left out. */
  look(now: number): void {
    const { config, isAlone, timers } = this.#context
    this.meet([...(isAlone ? config.contacts() : []), ...this.#strays])
    if (isAlone || this.#strays.size > 0) {
      timers.set('meet', now + meetMs)
    }
  }

  /** Looks whether strangers have a view. */
  meet(peers: readonly string[]): void {
    const { history, outbox } = this.#context
    const { view } = history
    const strangers = peers.filter(
      (peer) => view !== undefined && memberOf(view, peer) === undefined
    )
    for (const peer of strangers.slice(0, hintsMax)) {
      const question = { standing: this.#context.standing(), after: Number.MAX_SAFE_INTEGER }
      outbox.request(peer, 'view', question, askTimeoutMs, (answer, later) => {
        if (answer !== undefined) {
          this.#context.meet(peer, answer.standing, later)
        }
      })
    }
  }

  /** A view was adopted; `isForeign` if it is not of the former lineage. */
  adopted(isForeign: boolean, now: number): void {
    const { isAlone, member, timers } = this.#context
    if (isForeign) {
      this.#move = undefined
      this.#hints.clear()
    }
    if (member === undefined) {
      timers.set('join', now + lookAgainMs)
    } else if (!this.isMoving) {
      timers.clear('join')
    }
    this.#findStrays()
    if (isAlone || this.#strays.size > 0) {
      timers.sooner('meet', now + joinRetryMs)
    } else {
      timers.clear('meet')
    }
  }

  /** They hear of the forced view when they are asked for theirs, and join anew. */
  #findStrays(): void {
    const { views, view } = this.#context.history
    if ((view?.unsafe?.length ?? 0) === 0) {
      this.#strays.clear()
      return
    }
    const present = new Set(view?.members.map(({ peer }) => peer))
    for (const { peer } of views.flatMap(({ members }) => members)) {
      if (!present.has(peer) && this.#strays.size < hintsMax) {
        this.#strays.add(peer)
      }
    }
    for (const peer of this.#strays) {
      if (present.has(peer)) {
        this.#strays.delete(peer)
      }
    }
  }

  #answered(peer: string, answer: JoinAnswer | undefined, now: number): void {
    const { outbox } = this.#context
    if (answer === undefined) {
      this.#hints.delete(peer)
      return
    }
    this.#context.meet(peer, answer.standing, now)
    if (answer.status === 'member') {
      this.#context.pull(peer)
    } else if (answer.status === 'refused' && answer.reason !== undefined) {
      const { reason, explanation = '' } = answer
      outbox.emit({ type: 'refused', by: peer, reason, explanation })
    }
  }

  /** A few peers to ask: where it is moving to, then members that it knows of, then contacts. */
  #targets(): readonly string[] {
    const { config, history, self } = this.#context
    const former = this.#move === undefined ? (history.view?.members ?? []) : []
    const known = [...this.#hints, ...former.map(({ peer }) => peer), ...config.contacts()]
    const first = this.#move === undefined ? [] : [this.#move.to]
    const others = [...new Set(known)].filter((peer) => peer !== self.peer && !first.includes(peer))
    while (others.length > 0 && first.length < joinTargetsMax) {
      const index = Math.floor(config.random.next() * others.length)
      first.push(...others.splice(index, 1))
    }
    return first
  }
}
