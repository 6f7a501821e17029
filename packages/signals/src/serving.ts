import type { Clock, Rpc, RpcContext } from '@murmuration/interface'
import type { Budget } from './core/budget.ts'
import { Pull, PullReply, Push, PushReply } from './core/messages.ts'
import type { Counters } from './counters.ts'
import * as defaults from './defaults.ts'
import type { Intake } from './intake.ts'
import type { SignalLog } from './log.ts'
import { spend } from './spending.ts'

export interface ServingInit {
  readonly rpc: Rpc
  readonly intake: Intake
  readonly log: SignalLog
  readonly budget: Budget
  readonly clock: Clock
  readonly counters: Counters
}

/** Opens the log to other peers: they hand batches over, and ask for what they miss. */
export class Serving {
  readonly #init: ServingInit

  constructor(init: ServingInit) {
    this.#init = init
  }

  start(): void {
    const { rpc } = this.#init
    rpc.handle(defaults.pushMethod, (request, context) => this.#push(request, context))
    rpc.handle(defaults.pullMethod, (request, context) => this.#pull(request, context))
  }

  stop(): void {
    this.#init.rpc.unhandle(defaults.pushMethod)
    this.#init.rpc.unhandle(defaults.pullMethod)
  }

  async #push(request: Uint8Array, { peer }: RpcContext): Promise<Uint8Array> {
    const { intake } = this.#init
    spend(this.#init, peer, request.length)
    const { originals, sync } = Push.decode(request)
    const options = { sync: sync === 1, copy: sync === 1 }
    const words: string[] = []
    for (const original of originals) {
      // In their order.
      // oxlint-disable-next-line no-await-in-loop
      words.push(await intake.take(Uint8Array.from(original), 'push', options))
    }
    return PushReply.encode({ words })
  }

  async #pull(request: Uint8Array, { peer }: RpcContext): Promise<Uint8Array> {
    spend(this.#init, peer, request.length)
    const { from, since, stream, to } = Pull.decode(request)
    const { absent, originals } = await this.#init.log.originals({ from, to }, stream, since)
    return PullReply.encode({ absent, originals })
  }
}
