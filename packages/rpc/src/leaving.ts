import type { Clock } from '@murmuration/interface'
import { fixed } from './defaults.ts'
import type { RpcConnectionManager } from './outbound.ts'

export interface LeavingInit {
  readonly protocol: string
  readonly connectionManager: Pick<RpcConnectionManager, 'getConnections'>
  readonly clock: Clock
}

/** The connections that are about to be closed, so that nothing new begins on them. */
export class Leaving {
  readonly #init: LeavingInit
  readonly #ids = new Set<string>()

  constructor(init: LeavingInit) {
    this.#init = init
  }

  has(connectionId: string): boolean {
    return this.#ids.has(connectionId)
  }

  add(connectionId: string): void {
    const open = new Set(this.#init.connectionManager.getConnections().map(({ id }) => id))
    for (const id of this.#ids) {
      if (!open.has(id)) this.#ids.delete(id)
    }
    this.#ids.add(connectionId)
  }

  /** Waits until no stream of calls is left on a connection; false: one still is after that time. */
  async settled(connectionId: string, timeoutMs: number): Promise<boolean> {
    const { clock } = this.#init
    const end = clock.monotonic() + timeoutMs
    while (this.#carries(connectionId)) {
      if (clock.monotonic() >= end) return false
      // oxlint-disable-next-line no-await-in-loop -- looks again until a time
      await new Promise<void>((resolve) => {
        clock.schedule(fixed.leavePollMs, resolve)
      })
    }
    return true
  }

  #carries(connectionId: string): boolean {
    const { connectionManager, protocol } = this.#init
    return connectionManager
      .getConnections()
      .some(
        ({ id, streams }) => id === connectionId && streams.some((one) => one.protocol === protocol)
      )
  }
}
