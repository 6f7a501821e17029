import type { Context } from './context.ts'
import { keyOf, memberKey } from './core/homes.ts'
import { lifeOf } from './core/writers.ts'
import type { Tenure } from './tenure.ts'

/**
 * Takes writers out that are done with: what they did is folded, so that all replicas have it; and
 * forgets sessions where there are too many.
 */
export class Collecting {
  readonly #context: Context
  readonly #tenure: Tenure
  #from: number

  constructor(context: Context, tenure: Tenure) {
    this.#context = context
    this.#tenure = tenure
    this.#from = context.settings.collectNames
  }

  /** The caller sees to it that only the home set of this tenure's view is unsettled. */
  run(): void {
    const { membership, settings } = this.#context
    const { epoch, held, replication } = this.#tenure
    const { copy } = held
    if (!replication.allSynced) return
    const sessions = this.#leaving()
    if (sessions.length === 0 && copy.names < this.#from) return
    const members = [memberKey(membership.self), ...replication.home.map((one) => keyOf(one))]
    const lives = new Set(members.map((member) => lifeOf(member)))
    const step = copy.planCollection({
      by: epoch,
      isWhole: (life) => lives.has(life),
      sessions,
      least: settings.collectNames / 2
    })
    if (step !== undefined && copy.collect(step)) {
      replication.collected(step)
      this.#context.send(this.#tenure)
    }
    // Those that are left may stay for long: it is tried again when there are as many more.
    copy.verify()
    this.#from = copy.names + settings.collectNames
  }

  /** Sessions that are to be forgotten. */
  #leaving(): readonly string[] {
    const { sessionsMax } = this.#context.settings
    const { epoch, held, replication } = this.#tenure
    // Who lacks what others acknowledged must not take it for what nobody was told.
    if (epoch.branch !== undefined || epoch.partial === true) return []
    if (held.copy.sessionCount <= sessionsMax) return []
    return held.copy.sessionsToForget(sessionsMax, (entry) => replication.isConfirmed(entry))
  }
}
