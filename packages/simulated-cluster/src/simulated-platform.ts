import type { ComponentLogger, Logger } from '@libp2p/interface'
import type { Platform } from '@murmuration/cluster'
import { bytes, integer, message, text } from '@murmuration/codec'
import type { SignalSigner } from '@murmuration/signals'
import type { SimulatedNode } from '@murmuration/testkit'
import { SimulatedDiscovery } from './simulated-discovery.ts'
import { SimulatedGossip } from './simulated-gossip.ts'

/** What a peer stands on, made of one life of a simulated node. */
export function simulatedPlatform(
  node: SimulatedNode,
  { contacts, found }: Required<Pick<Platform, 'contacts' | 'found'>>
): Platform {
  const { name, random, store, rpc } = node
  // The wall clock of a real machine counts whole milliseconds.
  const clock = { ...node.clock, now: () => Math.floor(node.clock.now()) }
  return {
    peer: name,
    clock,
    random,
    store,
    rpc,
    contacts,
    found,
    logger: silentLogger,
    discovery: new SimulatedDiscovery(node),
    gossip: new SimulatedGossip(node),
    signer: unsignedSigner(name, () => clock.now()),
    defer: (task) => void clock.schedule(0, task)
  }
}

const envelope = message({
  signer: text(),
  sequence: integer(),
  time: integer(),
  payload: bytes()
})

/** Nobody forges anything here, and real signatures would be most of the cost of a run. */
function unsignedSigner(signer: string, now: () => number): SignalSigner {
  return {
    seal: (payload, sequence) => envelope.encode({ signer, sequence, time: now(), payload }),
    open: (sealed) => envelope.decode(sealed)
  }
}

const silent: Logger = Object.assign(() => {}, {
  enabled: false,
  trace: () => {},
  error: () => {},
  newScope: () => silent
})
const silentLogger: ComponentLogger = { forComponent: () => silent }
