/** Which layers of this peer have reported which view: it has reported when all of them have. */
export class Reports {
  readonly #byLayer = new Map<string, number>()
  readonly #layers: readonly string[]

  constructor(layers: readonly string[] = ['state']) {
    this.#layers = layers
  }

  /** Whether all have reported this view now. */
  add(layer: string, number: number): boolean {
    this.#byLayer.set(layer, number)
    return this.#layers.every((name) => this.#byLayer.get(name) === number)
  }
}
