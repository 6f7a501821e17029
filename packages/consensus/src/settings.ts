import { InvalidParametersError } from '@murmuration/interface'
import type { RegisterKey } from '@murmuration/interface'
import type { RegistersInit } from './contract.ts'
import { idLengthMax, replicasDefault, requestTimeoutMs, timeoutMsDefault } from './defaults.ts'

/** The options, checked and filled in. */
export interface Settings {
  readonly replicas: readonly number[]
  readonly timeoutMs: number
  readonly requestTimeoutMs: number
}

export function settingsOf(init: RegistersInit): Settings {
  const settings = {
    replicas: [...new Set(init.replicas ?? [replicasDefault])],
    timeoutMs: init.timeoutMs ?? timeoutMsDefault,
    requestTimeoutMs: init.requestTimeoutMs ?? requestTimeoutMs
  }
  for (const name of ['timeoutMs', 'requestTimeoutMs'] as const) {
    if (!(settings[name] > 0)) {
      throw new InvalidParametersError(`${name} must be a positive number`)
    }
  }
  const isValid = (number: number): boolean =>
    Number.isInteger(number) && number >= 1 && number <= 7
  if (settings.replicas.length === 0 || !settings.replicas.every(isValid)) {
    throw new InvalidParametersError('replicas must be whole numbers of 1 to 7')
  }
  return settings
}

export function checkKey({ id, replicas, shardKey }: RegisterKey, settings: Settings): void {
  for (const [field, value] of Object.entries({ id, shardKey: shardKey ?? 'none' })) {
    if (value.length === 0 || value.length > idLengthMax || !value.isWellFormed()) {
      throw new InvalidParametersError(
        `${field} must be well-formed text of 1 to ${idLengthMax} characters`
      )
    }
  }
  if (!settings.replicas.includes(replicas)) {
    throw new InvalidParametersError(
      `registers have ${settings.replicas.join(', ')} replicas here, not ${replicas}`
    )
  }
}
