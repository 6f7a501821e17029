/**
 * A signal bus of signed CloudEvents between peers.
 *
 * @packageDocumentation
 */
export { createSignals } from './signals.ts'
export { signals } from './service.ts'
export type {
  SignalsConnectionManager,
  SignalsServiceComponents,
  SignalsServiceInit
} from './service.ts'
export type { SignalBus, SignalsComponents, SignalsInit } from './components.ts'
export type { CounterName, RejectReason, SignalCounters } from './counters.ts'
export { gossipDefaults, gossipOptions } from './gossip-options.ts'
export type { GossipOptionsInit } from './gossip-options.ts'
export { gossipsubGossip } from './gossipsub.ts'
export type { GossipsubGossipInit } from './gossipsub.ts'
export type { Gossip, GossipMessage, Verdict } from './gossip.ts'
export { createSignalSigner } from './signer.ts'
export type {
  OpenedEnvelope,
  SignalAuthors,
  SignalSigner,
  SignalSignerInit,
  SignedStatement
} from './signer.ts'
export { fromHttp, toBinaryHttp, toStructuredHttp } from './core/http.ts'
export type { HttpMessage } from './core/http.ts'
export { fromJSON, toJSON } from './core/json.ts'
export type { SignalJson } from './core/json.ts'
export { decodeSignal, encodeSignal } from './core/wire.ts'
