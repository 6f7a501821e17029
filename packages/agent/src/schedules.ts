import type { StandardSchemaV1 } from '@standard-schema/spec'
import { InvalidParametersError } from '@murmuration/interface'
import { ticksOf } from './core/schedule.ts'
import type { ScheduleTimes } from './core/schedule.ts'

/**
 * What becomes of ticks that no owner could serve in time, because the agent's peers were down or
 * paused: `once` makes up for all of them together, by the latest; `skip` leaves them out, from 15
 * seconds after they were due; `all` serves each, the last 100 at most.
 */
export type MissedTicks = 'once' | 'skip' | 'all'

/** One schedule of an agent type. */
export interface ScheduleDefinition extends ScheduleTimes {
  /** The action that is called. */
  readonly action: string
  /** Its input. @default null */
  readonly input?: unknown
  /** @default 'once' */
  readonly missed?: MissedTicks
  /**
   * Keys of the agents that it is for; they are started if they do not exist.
   * @default every agent of the type that has state
   */
  readonly keys?: readonly string[]
}

/** The same, with the actions of a type and their inputs. */
export type ScheduleOf<I extends Record<string, StandardSchemaV1>> = {
  [K in keyof I & string]: ScheduleDefinition & {
    readonly action: K
    readonly input?: StandardSchemaV1.InferInput<I[K]>
  }
}[keyof I & string]

/** Schedules per type: more would be a table of their own. */
const SCHEDULES_MAX = 64

/** @throws InvalidParametersError */
export function checkSchedules(
  type: string,
  schedules: Readonly<Record<string, ScheduleDefinition>>,
  actions: Readonly<Record<string, unknown>>
): void {
  const entries = Object.entries(schedules)
  if (entries.length > SCHEDULES_MAX) {
    throw new InvalidParametersError(`agent type ${type} has more than ${SCHEDULES_MAX} schedules`)
  }
  for (const [name, schedule] of entries) {
    const what = `${type}.${name}`
    if (name === '' || name.length > 64) {
      throw new InvalidParametersError('a schedule has a name of 1 to 64 characters')
    }
    ticksOf(what, schedule, 0)
    if (!Object.hasOwn(actions, schedule.action)) {
      throw new InvalidParametersError(`schedule ${what}: there is no action ${schedule.action}`)
    }
    const { missed = 'once' } = schedule
    if (!['once', 'skip', 'all'].includes(missed)) {
      throw new InvalidParametersError(`schedule ${what}: missed is once, skip or all`)
    }
  }
}
