import type { AbortOptions } from '@libp2p/interface'
import { AbortedError } from '@murmuration/interface'
import type { Clock, Member, Partition, Random, View } from '@murmuration/interface'
import { ownerWeightOf } from '@murmuration/placement'
import type { JoiningMembership } from '@murmuration/membership'
import type { State } from '@murmuration/state'
import { defaults } from './defaults.ts'
import type { Motion, MotionProgress, PeerMotion } from './index.ts'
import { MotionAnswers } from './motion-answers.ts'
import type { AnswerParts } from './motion-answers.ts'
import { grow, shrink } from './motion-steps.ts'
import type { Step, StepParts } from './motion-steps.ts'
import { fingerprintOf } from './owned-agents.ts'

export interface MotionParts extends Omit<AnswerParts, 'rests'> {
  readonly membership: JoiningMembership
  readonly partition: Pick<Partition, 'status'>
  readonly state: Pick<State, 'records' | 'prepare'>
  readonly clock: Clock
  readonly random: Random
}

export interface MotionSettings {
  readonly perView: number
  readonly pauseMs: number
  readonly patienceMs: number
  readonly startMs: number
  readonly hold: boolean
}

/** That this peer gives its agents away, and until when that may take. */
interface Leaving {
  readonly deadline: number
  readonly done: () => void
}

/**
 * Brings this peer to its share of agents when it has joined or its weight has changed, and to none
 * before it leaves. Each step is a view with another owner weight for this peer, so ownership follows
 * from the agreed view alone and a crash leaves nothing half done: whoever comes back reads in the
 * view how far it is. Before a step the owners are asked, and whoever gets agents has copies of them.
 */
export class ClusterMotion implements Motion {
  readonly #parts: MotionParts
  readonly #settings: MotionSettings
  readonly answers: MotionAnswers
  #isHeld: boolean
  #leaving: Leaving | undefined
  /** It has given its agents away, and takes none any more. */
  #isAway = false
  #isRunning = false
  /** The newest view in which others were members or owned by other weights, and when it came. */
  #changed = { number: 0, at: 0, fingerprint: -1 }
  /** Since when a step of those that rise might begin; undefined while it may not. */
  #openSince: number | undefined
  /** It took the last step, and takes the next one out of turn: who comes before it is held or slow. */
  #leads = false

  #progress: MotionProgress = idle
  /** Ends what is under way before a view was proposed. */
  #abort = new AbortController()
  #wake: (() => void) | undefined
  #isStopped = false

  constructor(parts: MotionParts, settings: MotionSettings) {
    this.#parts = parts
    this.#settings = settings
    this.#isHeld = settings.hold
    const rests = (): boolean => this.#isHeld || this.#isAway || this.#leaving !== undefined
    this.answers = new MotionAnswers({ ...parts, rests })
  }

  start(): void {
    this.answers.start()
    this.#parts.membership.addEventListener('view', this.#onView)
    this.#onView()
  }

  stop(): void {
    this.#isStopped = true
    this.#leaving?.done()
    this.#parts.membership.removeEventListener('view', this.#onView)
    this.#interrupt()
    this.answers.stop()
  }

  get progress(): MotionProgress {
    return this.#progress
  }

  peers(): readonly PeerMotion[] {
    const members = this.#parts.membership.view?.members ?? []
    return members.flatMap(({ peer, weight, ownerWeight }) =>
      ownerWeight === undefined ? [] : [{ peer, weight, ownerWeight: ownerWeight / 1000 }]
    )
  }

  hold(): void {
    this.#isHeld = true
    if (this.#leaving === undefined) this.#interrupt()
  }

  resume(): void {
    this.#isHeld = false
    this.#run()
  }

  /**
   * Gives all agents away, as many as there is time for; an owner no more, this peer can leave the
   * view without a call that waits. Rejects with `AbortedError` when the signal fires: then it stays.
   */
  async giveAway(timeoutMs: number, { signal }: AbortOptions = {}): Promise<void> {
    const { clock } = this.#parts
    await new Promise<void>((resolve, reject) => {
      const end = (error?: Error): void => {
        cancel()
        signal?.removeEventListener('abort', onAbort)
        this.#leaving = undefined
        this.#isAway = error === undefined
        this.#interrupt()
        if (error === undefined) resolve()
        else reject(error)
      }
      const onAbort = (): void => {
        end(new AbortedError('this peer was told to stay'))
        this.#run()
      }
      const cancel = clock.schedule(timeoutMs, () => end())
      signal?.addEventListener('abort', onAbort)
      this.#interrupt()
      this.#leaving = { deadline: clock.monotonic() + timeoutMs, done: () => end() }
      if (signal?.aborted === true) onAbort()
      else this.#run()
    })
  }

  readonly #onView = (): void => {
    const { clock, membership } = this.#parts
    const { view } = membership
    const fingerprint = view === undefined ? -1 : fingerprintOf(view)
    if (fingerprint !== this.#changed.fingerprint) {
      this.#changed = { number: view?.number ?? 0, at: clock.monotonic(), fingerprint }
      this.#openSince = undefined
    }
    this.#run()
  }

  #self(): Member | undefined {
    const { rpc, membership } = this.#parts
    return membership.view?.members.find(({ peer }) => peer === rpc.peer)
  }

  /** Where this peer is going to; undefined where it is there. */
  #way(): { readonly view: View; readonly own: number; readonly target: number } | undefined {
    const { view } = this.#parts.membership
    const self = this.#self()
    if (view === undefined || self === undefined || this.#isAway) return undefined
    const own = ownerWeightOf(self)
    const target = this.#leaving === undefined ? 1000 * self.weight : 0
    return own === target && this.#leaving === undefined ? undefined : { view, own, target }
  }

  /**
   * One of the members that rise moves agents for all of them, the first by name; where it does not,
   * because it is held or slow, the next does after a while. The others ask nobody: where many join
   * together, each would ask all owners after every view. Turns begin when a step might: counted from
   * the last join, all would be over when it may, and all would take the same step.
   */
  #isTurn(view: View, since: number): boolean {
    if (this.#leads) return true
    const { rpc, clock } = this.#parts
    const rising = view.members.filter(
      ({ weight, ownerWeight }) => ownerWeight !== undefined && ownerWeight < 1000 * weight
    )
    const rank = rising.findIndex(({ peer }) => peer === rpc.peer)
    return clock.monotonic() - since >= rank * defaults.motionTurnMs
  }

  /**
   * What the former step or a join has moved is on enough disks before the next one moves more, or the
   * patience for that is over: those that own too much are the ones that are slow to settle.
   */
  #isSettled(): boolean {
    const { clock, membership } = this.#parts
    const { number, at } = this.#changed
    return membership.settled >= number || clock.monotonic() - at >= this.#settings.patienceMs
  }

  #run(): void {
    if (this.#isRunning || this.#isStopped) return
    if (this.#way() === undefined) return
    this.#isRunning = true
    void this.#loop()
  }

  /** One step after the other, until there is nothing more to do. */
  async #loop(): Promise<void> {
    const { log } = this.#parts
    let failures = 0
    this.#tell({ ...idle, status: 'waiting' })
    for (;;) {
      const way = this.#way()
      const isHeld = this.#isHeld && this.#leaving === undefined
      if (this.#isStopped || way === undefined || isHeld) {
        this.#isRunning = false
        this.#leads = false
        const { moved, refused } = this.#progress
        if (way === undefined) this.#tell({ ...idle, moved, refused })
        else this.#tell({ status: 'held', reason: undefined })
        return
      }

      const { signal } = this.#abort
      let delayMs: number
      try {
        const step = await this.#step(way, signal)
        failures = 0
        delayMs = this.#follow(step)
      } catch (error) {
        this.#leads = false
        if (signal.aborted) continue
        const reason = String(error)
        log(`a step of agents failed: ${reason}`)
        this.#tell({ status: 'waiting', reason })
        delayMs = Math.min(
          defaults.motionRetryMs.longest,
          defaults.motionRetryMs.first * 2 ** failures
        )
        failures++
      }
      await this.#pause(delayMs * (0.5 + this.#parts.random.next()))
    }
  }

  #step(
    { view, own, target }: { readonly view: View; readonly own: number; readonly target: number },
    signal: AbortSignal
  ): Promise<Step> {
    const parts: StepParts = { ...this.#parts, answers: this.answers, signal }
    const { clock, partition } = this.#parts
    const isSettled = this.#isSettled()
    if (target > own) {
      // Nobody is asked for anything before it may move.
      const isWhole = partition.status === 'whole'
      if (!isWhole || !isSettled) {
        this.#openSince = undefined
        return Promise.resolve({ type: isWhole ? 'unsettled' : 'split' })
      }
      this.#openSince ??= clock.monotonic()
      if (!this.#isTurn(view, this.#openSince)) return Promise.resolve({ type: 'turn' })
      return grow(parts, { view, agentsMax: this.#settings.perView })
    }
    const leaving = this.#leaving
    const restMs = leaving === undefined ? undefined : leaving.deadline - clock.monotonic()
    // Where there is not time enough for the usual steps, they are larger.
    const stepsLeft =
      restMs === undefined ? undefined : Math.max(1, Math.floor(restMs / defaults.motionStepMs))
    const agentsMax = (left: number): number =>
      Math.min(
        defaults.perViewMax,
        Math.max(this.#settings.perView, Math.ceil(left / (stepsLeft ?? Number.POSITIVE_INFINITY)))
      )
    return shrink(parts, {
      view,
      own,
      target,
      agentsMax,
      isSettled,
      isLeaving: leaving !== undefined
    })
  }

  /** Notes what a step did, and says how long to wait for the next. */
  #follow(step: Step): number {
    if (step.type === 'given') this.#leaving?.done()
    // Never at once: a step that changes nothing would be taken again and again.
    if (step.type === 'done' || step.type === 'given') return defaults.motionPollMs
    if (step.type !== 'moved') {
      this.#tell({ status: 'waiting', reason: reasons[step.type] })
      return defaults.motionPollMs
    }
    this.#leads = true
    const { moved, left, refused } = step
    const total = this.#progress.moved + moved
    this.#tell({ status: 'moving', reason: undefined, moved: total, left, refused })
    return left === 0 ? defaults.motionPollMs : this.#settings.pauseMs
  }

  #tell(change: Partial<MotionProgress>): void {
    this.#progress = { ...this.#progress, ...change }
  }

  #interrupt(): void {
    this.#abort.abort()
    this.#abort = new AbortController()
    this.#wake?.()
  }

  async #pause(delayMs: number): Promise<void> {
    await new Promise<void>((resolve) => {
      const cancel = this.#parts.clock.schedule(delayMs, resolve)
      this.#wake = () => {
        cancel()
        resolve()
      }
    })
    this.#wake = undefined
  }
}

const reasons = {
  turn: 'another member moves them',
  split: 'some members are not reached',
  unsettled: 'copies are being made'
}

const idle: MotionProgress = { status: 'idle', moved: 0, left: 0, refused: [], reason: undefined }

/** Where agents neither come nor go by themselves. */
export const stillness: Motion = {
  progress: idle,
  peers: () => [],
  hold: () => {},
  resume: () => {}
}
