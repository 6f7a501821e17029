import type { DurableSubscribeOptions, SignalHandler } from '@murmuration/interface'
import { InvalidParametersError } from '@murmuration/interface'
import * as defaults from './defaults.ts'

/** The options of a durable subscription, checked and filled in. */
export interface DurableOptions {
  readonly filter: DurableSubscribeOptions['filter']
  readonly group: boolean
  readonly attemptsMax: number
  readonly handlerTimeoutMs: number
  readonly timeoutMs: number
}

/** Throws `InvalidParametersError`. */
export function checkDurableOptions(
  handler: SignalHandler,
  options: DurableSubscribeOptions
): DurableOptions {
  if (typeof handler !== 'function') {
    throw new InvalidParametersError('handler must be a function')
  }
  if (typeof options?.name !== 'string' || !/^[A-Za-z0-9._-]{1,64}$/.test(options.name)) {
    throw new InvalidParametersError(
      'name must be 1 to 64 letters, digits, dots, underscores or hyphens'
    )
  }
  const {
    attemptsMax = defaults.attemptsMaxDefault,
    handlerTimeoutMs = defaults.handlerTimeoutMsDefault,
    timeoutMs = defaults.registerTimeoutMsDefault
  } = options
  if (!Number.isSafeInteger(attemptsMax) || attemptsMax < 1 || attemptsMax > 1000) {
    throw new InvalidParametersError('attemptsMax must be a whole number from 1 to 1000')
  }
  for (const [name, value] of Object.entries({ handlerTimeoutMs, timeoutMs })) {
    if (!(value > 0 && value <= defaults.publishTimeoutMsMax)) {
      throw new InvalidParametersError(
        `${name} must be above 0 and at most ${defaults.publishTimeoutMsMax}`
      )
    }
  }
  const group = options.group === true
  return { filter: options.filter, group, attemptsMax, handlerTimeoutMs, timeoutMs }
}
