import type { Logger } from '@libp2p/interface'
import { AbortedError, InvalidParametersError, NotStartedError } from '@murmuration/interface'
import type {
  RegisterChange,
  RegisterKey,
  RegisterOptions,
  RegisterOutcome,
  SelfIdentity
} from '@murmuration/interface'
import { slotOf } from '@murmuration/placement'
import type {
  RegistersComponents,
  RegistersInit,
  RegistersService,
  RegistersStats
} from './contract.ts'
import type { AcceptorSituation } from './core/acceptor.ts'
import { Chain } from './core/chain.ts'
import type { Mutants } from './core/mutants.ts'
import { Operation } from './core/operation.ts'
import { ProposerContext } from './core/proposer.ts'
import type { ProposerPorts } from './core/proposer.ts'
import { Proposers } from './core/proposers.ts'
import { nameOf } from './core/register-name.ts'
import type { RegisterName } from './core/register-name.ts'
import { survey } from './core/survey.ts'
import {
  backOffMs,
  batchMax,
  catchUpTimeoutMs,
  firstWaitMs,
  operationsMax,
  proposersMax,
  valueBytesMax,
  waitingMax
} from './defaults.ts'
import { homesOf } from './homes.ts'
import { registerMetrics } from './metrics.ts'
import { Mover, movedMethod } from './mover.ts'
import { Outbox } from './outbox.ts'
import { Records } from './records.ts'
import { Serving } from './serving.ts'
import { checkKey, settingsOf } from './settings.ts'
import type { Settings } from './settings.ts'
import { movedReply, movedRequest, replyBatch, requestBatch } from './wire.ts'

const method = 'registers'

/** Everything that lives between `start` and `stop`. */
interface Parts {
  readonly proposers: Proposers
  readonly records: Records
  readonly mover: Mover
  readonly context: ProposerContext
}

export class RegistersPeer implements RegistersService {
  readonly #components: RegistersComponents
  readonly #settings: Settings
  readonly #mutants: Mutants
  readonly #log: Logger | undefined
  readonly #count: ReturnType<typeof registerMetrics>
  #parts: Parts | undefined
  #starting: Promise<void> | undefined
  readonly #waiting = new Set<Operation>()
  readonly #viewWaiters = new Set<() => void>()
  readonly #catchingUp = new Set<number>()

  constructor(components: RegistersComponents, init: RegistersInit, mutants: Mutants) {
    this.#components = components
    this.#settings = settingsOf(init)
    this.#mutants = mutants
    this.#log = components.logger?.forComponent('murmuration:registers')
    this.#count = registerMetrics(components.metrics, () => this.stats())
  }

  start(): Promise<void> {
    this.#starting ??= this.#start()
    return this.#starting
  }

  async stop(): Promise<void> {
    const { membership, rpc } = this.#components
    const starting = this.#starting
    this.#starting = undefined
    await starting
    membership.removeEventListener('view', this.#onViews)
    membership.removeEventListener('settled', this.#onViews)
    rpc.unhandle(method)
    rpc.unhandle(movedMethod)
    this.#parts?.mover.stop()
    this.#parts = undefined
    for (const operation of this.#waiting) {
      operation.giveUp()
    }
  }

  async change(
    key: RegisterKey,
    change: RegisterChange,
    options: RegisterOptions = {}
  ): Promise<RegisterOutcome> {
    return this.#operate(key, change, options)
  }

  async read(key: RegisterKey, options: RegisterOptions = {}): Promise<RegisterOutcome> {
    return this.#operate(key, undefined, options)
  }

  stats(): RegistersStats {
    return {
      waiting: this.#waiting.size,
      proposers: this.#parts?.proposers.size ?? 0,
      records: this.#parts?.records.openCount ?? 0,
      damaged: this.#parts?.records.damaged.size ?? 0
    }
  }

  async #start(): Promise<void> {
    const { membership } = this.#components
    const parts = this.#makeParts()
    await parts.records.start()
    this.#parts = parts
    membership.addEventListener('view', this.#onViews)
    membership.addEventListener('settled', this.#onViews)
    this.#onViews()
  }

  #makeParts(): Parts {
    const { clock, membership, random, rpc, store } = this.#components
    const { self } = membership
    const proposer = this.#proposerOf(self)
    const records = new Records({
      store: store.sub('registers/'),
      view: () => membership.view?.number ?? 0,
      onCorrupt: (error) => {
        this.#count('corrupt')
        this.#log?.error('%s: others must agree on it again before this peer votes', error.message)
      }
    })
    const situation = (): AcceptorSituation => ({
      self,
      chain: this.#chain(),
      mutants: this.#mutants
    })
    const serving = new Serving({
      self,
      records,
      situation,
      catchUp: (view, from) => this.#catchUp(view, from)
    })
    const outbox = new Outbox({
      proposer,
      self: self.peer,
      call: (peer, request, timeoutMs) => rpc.call(peer, method, request, { timeoutMs }),
      timeoutMs: this.#settings.requestTimeoutMs,
      now: () => clock.monotonic(),
      serveSelf: (batch) => serving.serve(batch, self.peer)
    })
    const send: ProposerPorts['send'] = (voter, view, request, answered) =>
      outbox.send(voter, view, request, answered)
    const context = new ProposerContext({
      name: proposer,
      ports: {
        send,
        schedule: (delayMs, task) => clock.schedule(delayMs, task),
        now: () => clock.monotonic(),
        random: () => random.next(),
        behind: (view, peer) => this.#learn(view, peer),
        count: (event) => this.#count(event)
      },
      settings: { valueBytesMax, batchMax, backOffMs, firstWaitMs },
      mutants: this.#mutants
    })
    const mover = new Mover({
      self,
      records,
      membership,
      rpc,
      clock,
      random,
      log: this.#log,
      replicas: this.#settings.replicas,
      situation,
      agree: (name, timeoutMs) => this.#propose(name, (value) => value, { timeoutMs }),
      survey: (name, chain) =>
        new Promise((done) => {
          survey({ name, chain, mutants: this.#mutants }, send, done)
        }),
      count: (event) => this.#count(event)
    })
    this.#listen(serving, mover)
    return { context, mover, proposers: new Proposers(context, proposersMax), records }
  }

  #listen(serving: Serving, mover: Mover): void {
    const { membership, rpc } = this.#components
    rpc.handle(method, async (request, { peer }) =>
      replyBatch.encode(await serving.serve(requestBatch.decode(request), peer))
    )
    rpc.handle(movedMethod, async (request, { peer }) => {
      const { view } = movedRequest.decode(request)
      if ((membership.view?.number ?? 0) < view) {
        await this.#catchUp(view, peer)
      }
      const moved = mover.hasMoved(view) ? 'yes' : 'no'
      return movedReply.encode({ incarnation: membership.self.incarnation, moved })
    })
  }

  /**
   * Unlike any before: by the boot of this process, and by chance for a second start within it. A
   * ballot has one value for ever (P1).
   */
  #proposerOf({ boot, incarnation, peer }: SelfIdentity): string {
    const chance = Array.from(this.#components.random.bytes(4), (byte) =>
      byte.toString(16).padStart(2, '0')
    )
    return `${peer}#${incarnation}#${boot}.${chance.join('')}`
  }

  readonly #onViews = (): void => {
    const { membership } = this.#components
    if (this.#parts !== undefined && membership.view !== undefined) {
      this.#parts.proposers.adopt(this.#chain())
      this.#parts.mover.adopt()
      this.#viewWaiters.forEach((resolve) => resolve())
    }
  }

  #cached: Chain | undefined

  #chain(): Chain {
    const { membership } = this.#components
    const views = membership.unsettledViews()
    const known = this.#cached
    const last = views.at(-1)
    if (last === undefined) {
      throw new NotStartedError('this peer has no view yet')
    }
    if (known?.view !== last || known.settled !== views[0]?.number) {
      this.#cached = new Chain(views, homesOf)
    }
    return this.#cached ?? new Chain(views, homesOf)
  }

  async #catchUp(view: number, from: string): Promise<void> {
    const signal = this.#timeout(catchUpTimeoutMs)
    await this.#components.membership.catchUp(view, from, { signal })
    this.#onViews()
  }

  #timeout(delayMs: number): AbortSignal {
    const controller = new AbortController()
    this.#components.clock.schedule(delayMs, () => controller.abort())
    return controller.signal
  }

  /** Somebody has adopted a newer view: asked for once at a time. */
  #learn(view: number, peer: string): void {
    if (this.#catchingUp.has(view) || (this.#components.membership.view?.number ?? 0) >= view) {
      return
    }
    this.#catchingUp.add(view)
    this.#catchUp(view, peer)
      .catch((error: unknown) => {
        // The next answer of the newer view asks again.
        this.#log?.('view %d was not learned from %s: %e', view, peer, error)
      })
      .finally(() => this.#catchingUp.delete(view))
      .catch(() => {})
  }

  async #operate(
    key: RegisterKey,
    change: RegisterChange | undefined,
    { isNew, signal, timeoutMs = this.#settings.timeoutMs }: RegisterOptions
  ): Promise<RegisterOutcome> {
    const { clock, membership } = this.#components
    checkKey(key, this.#settings)
    if (!(timeoutMs > 0)) {
      throw new InvalidParametersError('timeoutMs must be a positive number')
    }
    const deadline = clock.monotonic() + timeoutMs
    if (membership.view === undefined) {
      await this.#firstView(timeoutMs, signal)
    }
    const { view } = membership
    const leftMs = deadline - clock.monotonic()
    if (view === undefined || leftMs <= 0) {
      return { status: 'unavailable', reason: 'no-view' }
    }
    const name = nameOf(key, slotOf(key.shardKey ?? key.id, view.placement.slots))
    return this.#propose(name, change, {
      timeoutMs: leftMs,
      ...(isNew === undefined ? {} : { isNew }),
      ...(signal === undefined ? {} : { signal })
    })
  }

  /** Which slot a key is in is not known before. */
  async #firstView(timeoutMs: number, signal: AbortSignal | undefined): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>()
    const cancel = this.#components.clock.schedule(timeoutMs, resolve)
    this.#viewWaiters.add(resolve)
    signal?.addEventListener('abort', () => resolve(), { once: true })
    await promise
    cancel()
    this.#viewWaiters.delete(resolve)
  }

  #propose(
    name: RegisterName,
    change: RegisterChange | undefined,
    { isNew, signal, timeoutMs = this.#settings.timeoutMs }: RegisterOptions
  ): Promise<RegisterOutcome> {
    const parts = this.#parts
    if (parts === undefined) {
      return Promise.reject(new NotStartedError('the registers are not started'))
    }
    if (signal?.aborted === true) {
      return Promise.reject(new AbortedError('the operation was aborted before it began'))
    }
    if (this.#waiting.size >= operationsMax || parts.proposers.waitingFor(name) >= waitingMax) {
      return Promise.resolve({ status: 'unavailable', reason: 'overloaded' })
    }
    return new Promise((resolve, reject) => {
      const onAbort = (): void => {
        const outcomeUnknown = operation.isSent
        reject(new AbortedError('the operation was aborted', { outcomeUnknown }))
        operation.giveUp()
      }
      const end = (): void => {
        cancel()
        this.#waiting.delete(operation)
        signal?.removeEventListener('abort', onAbort)
      }
      const done = (outcome: RegisterOutcome): void => {
        end()
        resolve(outcome)
      }
      const failed = (error: unknown): void => {
        end()
        reject(error instanceof Error ? error : new Error(String(error)))
      }
      const operation = new Operation(change, { done, failed }, { isNew })
      const cancel = this.#components.clock.schedule(timeoutMs, () => operation.giveUp())
      signal?.addEventListener('abort', onAbort)
      this.#waiting.add(operation)
      parts.proposers.propose(name, operation)
    })
  }
}
