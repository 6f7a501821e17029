/** A caller in this process. Its signal is made when a handler asks for it. */
export class LocalCaller {
  #controller: AbortController | undefined
  #hasLeft = false

  get signal(): AbortSignal {
    if (this.#controller === undefined) {
      this.#controller = new AbortController()
      if (this.#hasLeft) this.#controller.abort()
    }
    return this.#controller.signal
  }

  leave(): void {
    this.#hasLeft = true
    this.#controller?.abort()
  }
}
