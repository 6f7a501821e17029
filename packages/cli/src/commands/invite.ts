import { createInvitation, createIssuer, loadOrCreateKey } from '@murmuration/identity'
import { multiaddr } from '@multiformats/multiaddr'
import { positive, required, UsageError } from '../arguments.ts'
import type { Arguments } from '../arguments.ts'
import { roleOf } from '../entry.ts'
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
  const rootKey = await loadOrCreateKey(required(values.root, 'root'))
  const issuer = createIssuer({ cluster: required(values.name, 'name'), privateKey: rootKey })
  const invitation = await createInvitation({
    issuer,
    roots: [rootKey.publicKey],
    at,
    addresses,
    roles: [roleOf(values.role)],
    ttlMs: positive(values.hours, 'hours', 24) * hourMs
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
  return last.value
}
