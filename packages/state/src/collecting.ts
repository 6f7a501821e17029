import type { Epoch } from '@murmuration/interface'
import type { DocumentCopy } from './core/document-copy.ts'
import { memberKey } from './core/homes.ts'
import type { MemberKey } from './core/homes.ts'
import type { Replication } from './core/replication.ts'
import { lifeOf } from './core/writers.ts'

export interface CollectingInit {
  readonly copy: DocumentCopy
  readonly replication: Replication
  readonly self: MemberKey
  /** Names that the copy may keep. */
  readonly namesMax: number
}

/** Takes writers out that are done with: what they did is folded, so that all replicas have it. */
export class Collecting {
  readonly #init: CollectingInit
  #from: number

  constructor(init: CollectingInit) {
    this.#init = init
    this.#from = init.namesMax
  }

  /** The caller sees to it that only the home set of this tenure's view is unsettled. True if it did. */
  run(by: Epoch): boolean {
    const { copy, namesMax, replication, self } = this.#init
    if (!replication.allSynced || copy.names < this.#from) {
      return false
    }
    const members = [self, ...replication.home.map((member) => memberKey(member))]
    const lives = new Set(members.map(lifeOf))
    const step = copy.planCollection({
      by,
      isWhole: (life) => lives.has(life),
      least: namesMax / 2
    })
    const isDone = step !== undefined && copy.collect(step)
    if (isDone) {
      replication.collected(step)
    }
    // Those that are left may stay for long: it is tried again when there are as many more.
    this.#from = copy.names + namesMax
    return isDone
  }
}
