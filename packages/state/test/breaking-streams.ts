import { ConnectionLostError } from '@murmuration/interface'
import type { CallOptions, Rpc } from '@murmuration/interface'

/** `cut`: the stream is lost before this item, `late`: after it. */
export type Break = 'none' | 'cut' | 'late'

/** The same calls, of which streams break where `onItem` says so. */
export function breaking(rpc: Rpc, onItem: (source: string) => Break): Rpc {
  async function* stream(
    peer: string,
    method: string,
    request: Uint8Array,
    options?: CallOptions
  ): AsyncGenerator<Uint8Array> {
    for await (const item of rpc.stream(peer, method, request, options)) {
      const what = method.endsWith('.copies') ? onItem(peer) : 'none'
      if (what !== 'cut') yield item
      if (what !== 'none') throw new ConnectionLostError(`the stream of ${method} was cut`)
    }
  }
  return {
    peer: rpc.peer,
    start: () => rpc.start(),
    stop: () => rpc.stop(),
    handle: (...handler) => rpc.handle(...handler),
    handleStream: (...handler) => rpc.handleStream(...handler),
    unhandle: (method) => rpc.unhandle(method),
    call: (...call) => rpc.call(...call),
    stream
  }
}
