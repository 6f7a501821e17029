import type { StreamHandler, StreamHandlerOptions, Topology } from '@libp2p/interface'

/** What is used of libp2p's registrar. */
export interface RpcRegistrar {
  handle(protocol: string, handler: StreamHandler, options?: StreamHandlerOptions): Promise<void>
  unhandle(protocols: string | string[]): Promise<void>
  register(protocol: string, topology: Topology): Promise<string>
  unregister(id: string): void
}
