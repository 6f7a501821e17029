/**
 * One linearizable register per key, without a leader, and nothing else.
 *
 * @packageDocumentation
 */
import type { RegistersComponents, RegistersInit, RegistersService } from './contract.ts'
import { RegistersPeer } from './registers.ts'

export type {
  RegistersComponents,
  RegistersInit,
  RegistersService,
  RegistersStats
} from './contract.ts'

/**
 * Makes the service that proposes changes of registers and keeps this peer's replicas of them. Start
 * it after its components, once for each peer.
 *
 * Throws `InvalidParametersError` for an option out of its range.
 */
export function createRegisters(
  components: RegistersComponents,
  init: RegistersInit = {}
): RegistersService {
  return new RegistersPeer(components, init, {})
}
