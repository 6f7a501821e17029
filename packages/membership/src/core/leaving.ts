import { askTimeoutMs, leaveRetryMs } from '../defaults.ts'
import type { Admission } from './admission.ts'
import type { Context } from './context.ts'
import { compareText } from './view-change.ts'

/** The way out: the others are asked, one after the other, until a view without this peer holds. */
export class Leaving {
  readonly #context: Context
  readonly #admission: Admission
  #isLeaving = false
  #count = 0

  constructor(context: Context, admission: Admission) {
    this.#context = context
    this.#admission = admission
  }

  get isLeaving(): boolean {
    return this.#isLeaving
  }

  /** A peer without others to go on has left at once; its view stays as it is. */
  leave(now: number): void {
    const { isAlone, member, outbox, timers } = this.#context
    if (member === undefined || isAlone) {
      this.#isLeaving = true
      timers.clear('join', 'meet', 'beat', 'propose')
      outbox.emit({ type: 'left' })
    } else if (!this.#isLeaving) {
      this.#isLeaving = true
      this.ask(now)
    }
  }

  /** Takes `leave` back, if it is not decided yet. */
  stay(): void {
    this.#isLeaving = false
    this.#admission.stay(this.#context.self.peer)
    this.#context.timers.clear('leave')
  }

  ask(now: number): void {
    const { detector, member, outbox, self, timers } = this.#context
    if (!this.#isLeaving || member === undefined) {
      return
    }
    const others = [...detector.reachablePeers(now)]
      .filter((peer) => peer !== self.peer)
      .toSorted(compareText)
    const peer = others[this.#count % Math.max(1, others.length)]
    this.#count++
    timers.set('leave', now + leaveRetryMs)
    const leave = { standing: this.#context.standing(), peer: self.peer }
    this.#admission.onLeave(self.peer, leave, now)
    if (peer !== undefined) {
      outbox.request(peer, 'leave', leave, askTimeoutMs, (answer, later) => {
        if (answer !== undefined) {
          this.#context.meet(peer, answer.standing, later)
        }
      })
    }
  }
}
