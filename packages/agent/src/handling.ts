import type { StandardSchemaV1 } from '@standard-schema/spec'
import type { Recording, Schema } from '@murmuration/crdt'
import { InvalidParametersError } from '@murmuration/interface'
import type { Operation, Signal, SignalInput } from '@murmuration/interface'
import type { OwnedDocument } from '@murmuration/state'
import { isThenable } from './core/thenable.ts'
import { defaults } from './defaults.ts'
import type { AgentType, HandlerContext, SignalReaction } from './define.ts'
import { HandlerFailure } from './failure.ts'
import type { Interest } from './interest.ts'
import { noStrongPart } from './strong-fields.ts'
import type { Fields } from './strong-fields.ts'
import { validate } from './tool.ts'

/** What a handler did; its operations are not applied yet. */
export interface Handled {
  readonly output: unknown
  readonly operations: readonly Operation[]
  readonly emitted: readonly SignalInput[]
}

/** What a handler runs on. */
export interface HandlingParts {
  readonly type: AgentType
  readonly id: string
  readonly key: string
  readonly owned: OwnedDocument
  readonly canEmit: boolean
}

/** The context of an action, whose input is set when it is valid. */
interface OpenContext extends HandlerContext<Schema> {
  input: unknown
  readonly strong: Fields
}

/** Some work with a handler's context: gives its output, or a promise of it. */
export type Work = (context: OpenContext) => unknown

/** The work of an action: validates its input, runs its handler, validates its output. */
export function actionWork(type: AgentType, name: string, input: unknown): Work | undefined {
  const action = Object.hasOwn(type.actions, name) ? type.actions[name] : undefined
  if (action === undefined) return undefined
  return (context) => {
    const valid = check(action.input, input, type, name, 'input')
    const run = (checked: unknown): unknown => {
      context.input = checked
      const output = guarded(() => action.run(context))
      const checkOutput = (value: unknown): unknown =>
        check(action.output, value, type, name, 'output')
      return isThenable(output) ? Promise.resolve(output).then(checkOutput) : checkOutput(output)
    }
    return isThenable(valid) ? Promise.resolve(valid).then(run) : run(valid)
  }
}

function check(
  schema: StandardSchemaV1,
  value: unknown,
  type: AgentType,
  name: string,
  what: string
): unknown {
  return guarded(() => validate(schema, value, () => `${what} of ${type.type}.${name}`))
}

/** The work of the reactions to a signal, one after the other. */
export function reactionWork(reactions: readonly SignalReaction<Schema>[], signal: Signal): Work {
  return (context) =>
    guarded(async () => {
      for (const reaction of reactions) await reaction(signal, context)
    })
}

/** Runs a piece of work on a draft of the state. */
export function handle(
  parts: HandlingParts,
  interest: Interest,
  work: Work,
  strong: Fields = noStrongPart
): Handled | Promise<Handled> {
  const { type, id, key, owned, canEmit } = parts
  let recording: Recording<Schema> | undefined
  let emitted: SignalInput[] | undefined
  let ended = false
  // A plain object with its own getters, so that a handler may spread it.
  const context: OpenContext = {
    input: undefined,
    strong,
    // Made on first use: it costs more than all the rest of a call.
    get state() {
      recording ??= owned.document.draft(type.state)
      return recording.draft
    },
    id,
    key,
    epoch: owned.epoch,
    get signal() {
      return interest.signal
    },
    emit: (signal) => {
      if (ended) throw new InvalidParametersError('emit was called after the handler had ended')
      emitted ??= []
      checkEmitted(signal, emitted.length, canEmit)
      emitted.push(signal)
    }
  }
  const finish = (output: unknown): Handled => {
    ended = true
    return {
      output,
      operations: recording === undefined ? NONE : recording.operations,
      emitted: emitted ?? NONE
    }
  }
  const output = work(context)
  return isThenable(output) ? Promise.resolve(output).then(finish) : finish(output)
}

const NONE: readonly never[] = []

function checkEmitted(signal: SignalInput, count: number, canEmit: boolean): void {
  if (!canEmit) throw new InvalidParametersError('this peer has no signal bus to emit to')
  if (typeof signal !== 'object' || typeof signal.type !== 'string' || signal.type === '') {
    throw new InvalidParametersError('a signal needs a type')
  }
  if (count >= defaults.emitMax) {
    throw new InvalidParametersError(`a handler may emit ${defaults.emitMax} signals at most`)
  }
}

/** Runs code of the user; what it throws is a `HandlerFailure`. */
function guarded(run: () => unknown): unknown {
  let result: unknown
  try {
    result = run()
  } catch (error) {
    throw failed(error)
  }
  if (!isThenable(result)) return result
  return Promise.resolve(result).then(undefined, (error: unknown) => {
    throw failed(error)
  })
}

function failed(error: unknown): Error {
  return new HandlerFailure(error)
}
