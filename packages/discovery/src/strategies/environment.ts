import { InvalidParametersError } from '@murmuration/interface'
import type { StrategyFactory } from '../components.ts'
import { nodeEnvironment } from '../node-builtins.ts'
import { addressesIn } from './address-text.ts'
import { ListedAddresses, timesOf } from './listed.ts'
import type { ListedInit } from './listed.ts'

/** Options of {@link environment}. */
export interface EnvironmentInit extends ListedInit {
  /** @default 'MURMURATION_BOOTSTRAP' */
  readonly variable?: string
  /** @default `process.env` */
  readonly from?: Readonly<Record<string, string | undefined>>
}

/**
 * Takes addresses from an environment variable: multiaddr texts between white space or commas, as
 * {@link bootstrap} has them. Without the variable it finds nobody. It is read again with each
 * attempt, so that a program may set it later.
 *
 * Throws `InvalidParametersError` for an empty name of the variable.
 */
export function environment(init: EnvironmentInit = {}): StrategyFactory {
  const variable = init.variable ?? 'MURMURATION_BOOTSTRAP'
  if (variable === '') {
    throw new InvalidParametersError('environment needs the name of a variable')
  }
  const from = init.from ?? nodeEnvironment
  const times = timesOf(init)
  const list = { name: 'environment', read: () => addressesIn(from[variable] ?? '') }
  return (components) => new ListedAddresses(components, list, times)
}
