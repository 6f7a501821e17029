import { generateKeyPairFromSeed, publicKeyFromRaw } from '@libp2p/crypto/keys'
import type { Ed25519PrivateKey } from '@libp2p/interface'
import { bytes, integer, list, message, oneOf, text } from '@murmuration/codec'
import { InvalidParametersError } from '@murmuration/interface'
import type { Role } from '@murmuration/interface'
import { fromString } from 'uint8arrays/from-string'
import { toString } from 'uint8arrays/to-string'
import { peerOf } from './certificates.ts'
import type { KeyName } from './certificates.ts'
import { canonicalRoles } from './core/certificate.ts'
import type { Certificate } from './core/certificate.ts'
import { publicKeyOfPeer } from './core/peer-name.ts'
import {
  certificateBytesMax,
  clusterBytesMax,
  invitationAddressesMax,
  invitationBytesMax,
  invitationTtlMs,
  rootsMax
} from './defaults.ts'
import { randomName } from './issuer.ts'
import type { Issuer } from './issuer.ts'
import { createOpener, createSealer } from './sealing.ts'

/** Prefix of the one line that is an invitation. */
const prefix = 'murmuration-invite-1.'

/** Domain of the signed grant. */
const domain = 'murmuration-invitation-1'

/** Serials of passes begin so: they open the door for redeeming, and are never renewed. */
const passPrefix = 'pass.'

/**
 * Whether a certificate is the pass of an invitation. It holds until it expires, also when the
 * invitation was used: let its bearer redeem and do nothing else.
 */
export function isPass({ serial }: Pick<Certificate, 'serial'>): boolean {
  return serial.startsWith(passPrefix)
}

const Line = message(
  {
    cluster: text({ max: clusterBytesMax }),
    roots: list(bytes({ max: 32 }), { max: rootsMax }),
    addresses: list(text({ max: 512 }), { max: invitationAddressesMax }),
    seed: bytes({ max: 32 }),
    pass: bytes({ max: certificateBytesMax }),
    grant: bytes({ max: 1_024 })
  },
  { bytesMax: invitationBytesMax }
)

const Grant = message({
  id: text({ max: 64 }),
  cluster: text({ max: clusterBytesMax }),
  /** PeerId (text) of the key in the invitation. */
  bearer: text({ max: 64 }),
  /** PeerId (text) of the one peer that redeems it, so that it can be used once. */
  at: text({ max: 64 }),
  roles: list(oneOf('member', 'edge', 'guest'), { max: 3 }),
  notAfter: integer({ min: 0 })
})

/** What goes into an invitation. */
export interface InviteInit {
  readonly issuer: Issuer
  /** Root keys that the new peer is to trust. */
  readonly roots: readonly KeyName[]
  /** The peer that redeems it: it has the issuer's key and is running. */
  readonly at: KeyName
  /** Where that peer can be dialled, as multiaddr texts, 1 to 8. */
  readonly addresses: readonly string[]
  /** What the new peer may do. @default ['member'] */
  readonly roles?: readonly Role[]
  /** Milliseconds until it is void. @default 86400000 */
  readonly ttlMs?: number
}

/** What a new peer needs to redeem an invitation. */
export interface Invitation {
  readonly cluster: string
  /** PeerIds (text) of the root keys. */
  readonly roots: readonly string[]
  readonly addresses: readonly string[]
  /** The key with which the new peer dials, for this one purpose. */
  readonly bearerKey: Ed25519PrivateKey
  /** Certificate of that key, with the role `guest`. */
  readonly pass: Uint8Array
  /** What it is exchanged for a certificate with; opaque. */
  readonly grant: Uint8Array
}

/** What a grant says, after its signature was checked. */
export interface OpenedGrant {
  readonly id: string
  readonly roles: readonly Role[]
  readonly notAfter: number
}

/**
 * Makes an invitation: one line of text with which one new peer gets a certificate for its own key,
 * once. Whoever has the line can use it, so send it as you would send a password.
 *
 * Throws `InvalidParametersError`.
 */
export async function createInvitation(init: InviteInit): Promise<string> {
  const { issuer, addresses, roles = ['member'], ttlMs = invitationTtlMs } = init
  if (addresses.length === 0 || addresses.length > invitationAddressesMax) {
    throw new InvalidParametersError(`1 to ${invitationAddressesMax} addresses are needed`)
  }
  const missing = (['guest', ...roles] as const).find((role) => !issuer.roles.includes(role))
  if (missing !== undefined) {
    throw new InvalidParametersError(
      `the delegate may not give the role ${missing}: it needs guest, for the door, and those invited for`
    )
  }
  if (!(ttlMs > 0)) {
    throw new InvalidParametersError('an invitation must hold for some time')
  }
  const seed = globalThis.crypto.getRandomValues(new Uint8Array(32))
  const bearerKey = await generateKeyPairFromSeed('Ed25519', seed)
  const bearer = peerOf(bearerKey.publicKey)
  const notAfter = Math.trunc(issuer.clock.now() + ttlMs)
  const id = randomName()
  const payload = Grant.encode({
    id,
    cluster: issuer.cluster,
    bearer,
    at: peerOf(init.at),
    roles: [...canonicalRoles(roles)],
    notAfter
  })
  const sealer = createSealer({ privateKey: issuer.privateKey, clock: { now: issuer.clock.now } })
  const grant = await sealer.seal({ domain, type: 'grant', sequence: 0, payload })
  // The pass may end before the grant does: then the invitation ends with it.
  const pass = await issuer.issue(bearer, ['guest'], { notAfter, serial: `${passPrefix}${id}` })
  const roots = init.roots.map((root) => publicKeyOfPeer(peerOf(root)) ?? new Uint8Array())
  const line = { cluster: issuer.cluster, roots, addresses: [...addresses], seed, pass, grant }
  return `${prefix}${toString(Line.encode(line), 'base64url')}`
}

/** Reads the line of an invitation; throws `InvalidParametersError` if it is none. */
export async function readInvitation(line: string): Promise<Invitation> {
  const trimmed = line.trim()
  if (!trimmed.startsWith(prefix) || trimmed.length > invitationBytesMax * 2) {
    throw new InvalidParametersError(`an invitation begins with ${prefix}`)
  }
  try {
    const decoded = Line.decode(fromString(trimmed.slice(prefix.length), 'base64url'))
    const { cluster, addresses, pass, grant } = decoded
    const bearerKey = await generateKeyPairFromSeed('Ed25519', decoded.seed)
    const roots = decoded.roots.map((raw) => peerOf(publicKeyFromRaw(raw)))
    return { cluster, roots, addresses, bearerKey, pass, grant }
  } catch (cause) {
    throw new InvalidParametersError('the invitation is damaged: copy the whole line', { cause })
  }
}

/**
 * Checks a grant that `bearer` shows to the peer `self`, which has the issuer's key. Undefined if it
 * does not hold; being used already is for the caller to know.
 */
export async function openGrant(
  grant: Uint8Array,
  context: { readonly issuer: Issuer; readonly self: string; readonly bearer: string }
): Promise<OpenedGrant | undefined> {
  const { issuer, self, bearer } = context
  try {
    const envelope = await createOpener({ cacheMax: 0 }).open(grant, { domain, bytesMax: 1_024 })
    const said = Grant.decode(envelope.payload)
    const holds =
      envelope.signer === issuer.name &&
      said.cluster === issuer.cluster &&
      said.bearer === bearer &&
      said.at === self &&
      said.notAfter >= issuer.clock.now()
    return holds ? { id: said.id, roles: said.roles, notAfter: said.notAfter } : undefined
  } catch {
    // Forged, for something else, or no grant at all: all of these are refused alike.
    return undefined
  }
}
