import { createInvitation, createIssuer, peerOf } from '@murmuration/identity'
import { multiaddr } from '@multiformats/multiaddr'
import { positive, UsageError } from '../arguments.ts'
import type { Arguments } from '../arguments.ts'
import { clusterName } from '../checked.ts'
import { INVITE_HOURS_MAX } from '../defaults.ts'
import { roleOf, rootKeyOf } from '../entry.ts'
import type { Output } from '../output.ts'

const hourMs = 3_600_000

/** Prints one line with which one new peer can join, once, at the peer of `--at`. */
export async function invite({ values }: Arguments, output: Output): Promise<void> {
  const addresses = values.at ?? []
  const peers = new Set(addresses.map(peerIn))
  const [at] = peers
  if (at === undefined || peers.size !== 1) {
    throw new UsageError('--at must be the address of one running peer, /p2p/<PeerId> included')
  }
  const cluster = clusterName(values.name)
  const roles = [roleOf(values.role)]
  const hours = positive(values.hours, 'hours', { otherwise: 24, max: INVITE_HOURS_MAX })
  const ttlMs = hours * hourMs
  const rootKey = await rootKeyOf(values.root)
  // The pass in the line is a certificate: it has to hold for as long as the line is to.
  const issuer = createIssuer({ cluster, privateKey: rootKey, ttlMs })
  const invitation = await createInvitation({
    issuer,
    roots: [rootKey.publicKey],
    at,
    addresses,
    roles,
    ttlMs
  })
  output.data({ invitation }, invitation)
}

function peerIn(address: string): string {
  let last: { readonly name: string; readonly value?: string | undefined } | undefined
  try {
    last = multiaddr(address).getComponents().at(-1)
  } catch {
    last = undefined
  }
  if (last?.name !== 'p2p' || last.value === undefined) {
    throw new UsageError(`--at ${address} is no multiaddr that ends in /p2p/<PeerId>`)
  }
  return peerOf(last.value)
}
