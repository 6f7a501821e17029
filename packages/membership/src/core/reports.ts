import type { Unreported } from '@murmuration/interface'
import type { History } from './history.ts'

/** Which layers of this peer have reported which view: it has reported when all of them have. */
export class Reports {
  readonly #byLayer = new Map<string, number>()
  readonly #layers: readonly string[]

  constructor(layers: readonly string[] = ['state']) {
    this.#layers = layers
  }

  /** Who has not reported the newest view, of its members and of the layers here. */
  missing(history: History | undefined): Unreported {
    if (history === undefined || history.settled === history.number) {
      return { members: [], layers: [] }
    }
    const layers = this.#layers.filter((name) => this.#byLayer.get(name) !== history.number)
    return { members: history.unreported, layers }
  }

  /** Whether all have reported this view now. */
  add(layer: string, number: number): boolean {
    this.#byLayer.set(layer, number)
    return this.#layers.every((name) => this.#byLayer.get(name) === number)
  }
}
