import {
  AgentRegister,
  appliedUpdate,
  decodeStrong,
  encodeStrong,
  registerKeyOf,
  updateStrong
} from '@murmuration/agent-register'
import type { Claimant, StrongOutcome, StrongUpdate } from '@murmuration/agent-register'
import {
  ConsistencyUnavailableError,
  FencedError,
  KeyExpiredError,
  MessageTooLargeError,
  NotOwnerError,
  OutcomeUnknownError,
  OverloadedError,
  UnavailableError
} from '@murmuration/interface'
import type {
  AgentRecord,
  Epoch,
  IdempotencyKey,
  RegisterOutcome,
  Registers,
  RpcContext
} from '@murmuration/interface'
import { agreedOf, currentView, withDeadline } from './context.ts'
import type { Context } from './context.ts'
import type {
  OwnedDocument,
  StrongChange,
  StrongOptions,
  StrongReadOptions,
  StrongReading,
  StrongResult
} from './contract.ts'
import { StrongReply, StrongRequest } from './core/strong-messages.ts'
import { placementOf } from './placements.ts'
import type { Replica } from './replica.ts'
import { checkRecord } from './settings.ts'

export interface StrongInit {
  readonly registers: Registers | undefined
  readonly replica: Replica
  readonly own: (record: AgentRecord, signal: AbortSignal) => Promise<OwnedDocument>
}

/** A read, of a key too, or an update. */
interface Question {
  readonly key?: IdempotencyKey
  readonly update?: StrongUpdate
}

const nothing = new Uint8Array(0)

/**
 * Strong state of agents. From any peer a request goes to the owner, which changes the agent's one
 * register under its epoch: a majority decides, and an owner that was replaced changes nothing.
 */
export class Strong {
  readonly #context: Context
  readonly #init: StrongInit

  constructor(context: Context, init: StrongInit) {
    this.#context = context
    this.#init = init
  }

  register(): void {
    this.#context.rpc.handle('state.strong', (bytes, call) => this.#onRequest(bytes, call))
  }

  unregister(): void {
    this.#context.rpc.unhandle('state.strong')
  }

  async read(record: AgentRecord, options: StrongReadOptions): Promise<StrongReading> {
    const { key } = options
    const reply = await this.#ask(record, key === undefined ? {} : { key }, options)
    const { epoch, version = 0, value } = reply
    const reading = { epoch, version, replicas: this.#replicas(record) }
    if (reply.status === 'known') {
      return {
        ...reading,
        value: undefined,
        applied: { version, result: reply.result ?? nothing }
      }
    }
    return { ...reading, value: value === undefined ? undefined : decodeStrong(value) }
  }

  async update(
    record: AgentRecord,
    { key, expected, value, result }: StrongChange,
    options: StrongOptions
  ): Promise<StrongResult> {
    const kept = result === undefined ? {} : { result }
    const update = { key, expected, value: encodeStrong(value), ...kept }
    const reply = await this.#ask(record, { update }, options)
    const { epoch, version = 0 } = reply
    if (reply.status === 'changed') {
      const { value: now } = reply
      const present = now === undefined ? undefined : decodeStrong(now)
      return { status: 'changed', version, value: present }
    }
    const copies = Math.floor(this.#replicas(record).length / 2) + 1
    const duplicate = reply.status === 'known'
    return {
      status: 'applied',
      version,
      epoch,
      copies,
      duplicate,
      result: reply.result ?? nothing
    }
  }

  /** The replicas of the register. */
  #replicas(record: AgentRecord): string[] {
    return placementOf(agreedOf(currentView(this.#context)))
      .homeOf({ ...record, ...registerKeyOf(record) })
      .map(({ peer }) => peer)
  }

  /** Goes to the owner; whoever is behind, this peer or that one, takes up the newer view first. */
  async #ask(
    record: AgentRecord,
    question: Question,
    options: StrongOptions
  ): Promise<StrongReply & { readonly epoch: Epoch }> {
    const { settings } = this.#context
    const timeoutMs = options.timeoutMs ?? settings.ownTimeoutMs
    const ask = (signal: AbortSignal) => this.#askOwner(record, question, timeoutMs, signal)
    const reply = await withDeadline(this.#context, timeoutMs, ask, options.signal)
    const { view = 0, boot = 0, branch } = reply
    return { ...reply, epoch: { view, boot, ...(branch === undefined ? {} : { branch }) } }
  }

  async #askOwner(
    record: AgentRecord,
    question: Question,
    timeoutMs: number,
    signal: AbortSignal
  ): Promise<StrongReply> {
    const { membership, rpc } = this.#context
    for (;;) {
      // On a side that goes on by itself its owner asks: what is agreed is the same for everybody.
      const view = currentView(this.#context)
      const owner = placementOf(view).ownerOf(record)?.peer
      if (owner === undefined) {
        throw new UnavailableError(`${record.id} is pinned to a peer that is not in the view`)
      }
      if (owner === membership.self.peer) {
        // oxlint-disable-next-line no-await-in-loop -- the last thing that this loop does.
        return await this.#perform(record, question, timeoutMs, signal)
      }
      const request = StrongRequest.encode({ asked: view.number, record, ...question })
      // oxlint-disable-next-line no-await-in-loop -- asks again only in a newer view.
      const bytes = await rpc.call(owner, 'state.strong', request, { timeoutMs, signal })
      const reply = StrongReply.decode(bytes)
      if (reply.status !== 'elsewhere') return reply
      const newer = reply.view ?? 0
      if (newer <= view.number) throw new NotOwnerError(`${owner} does not own ${record.id}`)
      // oxlint-disable-next-line no-await-in-loop -- as above.
      await membership.catchUp(newer, owner, { signal })
    }
  }

  async #onRequest(bytes: Uint8Array, call: RpcContext): Promise<Uint8Array> {
    const { asked, record, key, update } = StrongRequest.decode(bytes)
    const view = await this.#init.replica.follow(asked, call)
    checkRecord(record)
    if (placementOf(view).ownerOf(record)?.peer !== this.#context.membership.self.peer) {
      return StrongReply.encode({ status: 'elsewhere', view: view.number })
    }
    const question = {
      ...(key === undefined ? {} : { key }),
      ...(update === undefined ? {} : { update })
    }
    const reply = await this.#perform(record, question, call.remainingMs, call.signal)
    return StrongReply.encode(reply)
  }

  /** As the owner: one ballot on the register. */
  async #perform(
    record: AgentRecord,
    { key: asked, update }: Question,
    timeoutMs: number,
    signal: AbortSignal
  ): Promise<StrongReply> {
    const { registers } = this.#init
    if (registers === undefined) {
      throw new ConsistencyUnavailableError('this peer was made without registers')
    }
    const { epoch } = await this.#init.own(record, signal)
    await this.#whenHeld(record, signal)
    const key = registerKeyOf(record)
    if (update === undefined) {
      const { value } = committed(await registers.read(key, { timeoutMs, signal }), record)
      const register = value === undefined ? undefined : AgentRegister.decode(value)
      const applied = asked === undefined ? undefined : appliedUpdate(register, asked)
      if (applied !== undefined) {
        const { version, result = nothing } = applied
        return { status: 'known', ...epochOf(epoch), version, result }
      }
      const data = register?.data
      const { version = 0, value: present } = data ?? {}
      return { status: 'read', ...epochOf(epoch), version, ...valueOf(present) }
    }
    const claimant = this.#claimant(record, epoch)
    const step = (bytes: Uint8Array | undefined) => {
      const current = bytes === undefined ? undefined : AgentRegister.decode(bytes)
      const { next, outcome } = updateStrong(current, claimant, update, this.#context.mutants)
      // The very bytes that were given say that nothing changes.
      const isSame = next === current || next === undefined
      return { outcome, bytes: isSame ? bytes : AgentRegister.encode(next) }
    }
    const change = (bytes: Uint8Array | undefined): Uint8Array | undefined => step(bytes).bytes
    const outcome = await registers.change(key, change, { timeoutMs, signal })
    const { previous } = committed(outcome, record)
    // A change may run several times: what counts is the run on the value that it was agreed after.
    return replyOf(step(previous).outcome, record, epoch)
  }

  /**
   * A lapsed lease holds what was asked for. Once the register has an update, a majority has agreed to
   * it under this epoch: that may be told at any time.
   */
  async #whenHeld({ id }: AgentRecord, signal: AbortSignal): Promise<void> {
    const lease = this.#context.leases?.of(id)
    if (lease !== undefined && !lease.held) {
      await lease.whenHeld({ signal }).catch((cause: unknown) => {
        throw new UnavailableError(`${id}: the lease of its owner was not held in time`, { cause })
      })
    }
  }

  #claimant(record: AgentRecord, epoch: Epoch): Claimant {
    const view = agreedOf(currentView(this.#context))
    const { peer, incarnation } = this.#context.membership.self
    const placed = placementOf(view).ownerOf(record)?.peer
    // Types that pause go by their lease, and never act for a side alone.
    const isBranched = epoch.branch !== undefined && this.#context.goesOn(record)
    return { peer, incarnation, epoch, view, placed, isBranched }
  }
}

/** As in a reply. What is agreed is never partial, whatever the CRDT part of the agent lacks. */
function epochOf({ view, boot, branch }: Epoch): Pick<StrongReply, 'view' | 'boot' | 'branch'> {
  return { view, boot, ...(branch === undefined ? {} : { branch }) }
}

function valueOf(value: Uint8Array | undefined): Pick<StrongReply, 'value'> {
  return value === undefined ? {} : { value }
}

function committed(
  outcome: RegisterOutcome,
  { id }: AgentRecord
): Extract<RegisterOutcome, { status: 'committed' }> {
  switch (outcome.status) {
    case 'committed':
      return outcome
    case 'unavailable':
      throw new UnavailableError(`the register of ${id} is not available: ${outcome.reason}`)
    case 'unknown':
      throw new OutcomeUnknownError(`the update of ${id} may take effect or not: ask again`)
  }
}

function replyOf(outcome: StrongOutcome, { id }: AgentRecord, epoch: Epoch): StrongReply {
  switch (outcome.status) {
    case 'applied':
    case 'known':
      return { ...outcome, ...epochOf(epoch) }
    case 'changed': {
      const { version, value } = outcome
      return { status: 'changed', ...epochOf(epoch), version, ...valueOf(value) }
    }
    case 'fenced':
      throw new FencedError(`${id} was claimed by ${outcome.owner} in view ${outcome.epoch.view}`, {
        retryable: true
      })
    case 'expired':
      throw new KeyExpiredError(`${id}: what became of this key is not remembered any more`)
    case 'overloaded':
      throw new OverloadedError(`${id}: too many updates of this session are not confirmed`)
    case 'too-large':
      throw new MessageTooLargeError(`${id}: the strong state is over its limit`)
  }
}
