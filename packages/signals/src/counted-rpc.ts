import { MalformedMessageError } from '@murmuration/interface'
import type { Rpc, RpcHandler } from '@murmuration/interface'
import type { Counters } from './counters.ts'

/** The same calls; requests that cannot be read are counted, whichever method they are for. */
export function countedRpc(rpc: Rpc, counters: Counters): Rpc {
  const counted =
    (handler: RpcHandler): RpcHandler =>
    async (request, context) => {
      try {
        return await handler(request, context)
      } catch (error) {
        if (error instanceof MalformedMessageError) {
          counters.count('rejected:malformed')
        }
        throw error
      }
    }
  return {
    peer: rpc.peer,
    start: () => rpc.start(),
    stop: () => rpc.stop(),
    handle: (method, handler, options) => rpc.handle(method, counted(handler), options),
    handleStream: (method, handler, options) => rpc.handleStream(method, handler, options),
    unhandle: (method) => rpc.unhandle(method),
    call: (peer, method, request, options) => rpc.call(peer, method, request, options),
    stream: (peer, method, request, options) => rpc.stream(peer, method, request, options)
  }
}
