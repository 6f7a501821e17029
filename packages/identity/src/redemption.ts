import { InvalidParametersError, NotAdmittedError, OverloadedError } from '@murmuration/interface'
import type { Clock, LogSink, Rpc, Store } from '@murmuration/interface'
import { certificateMethods, Issued, Redeem } from './certificate-messages.ts'
import { peerOf } from './certificates.ts'
import { readCertificate } from './core/certificate.ts'
import { publicKeyOfPeer } from './core/peer-name.ts'
import { bytesToSign } from './core/signed-bytes.ts'
import type { CertificateCredentials } from './credentials.ts'
import { certificateCallMs, invitationsUsedMax } from './defaults.ts'
import { openGrant } from './invitation.ts'
import type { Issuer } from './issuer.ts'
import { createSigner, createVerifier } from './signing.ts'

const usedPrefix = 'invitation/'

/** What {@link Redemptions} works with. */
interface RedemptionComponents {
  readonly rpc: Pick<Rpc, 'peer'>
  readonly clock: Pick<Clock, 'now'>
  readonly store: Store
  readonly log: LogSink
}

/** Redeems invitations, each once. */
export class Redemptions {
  readonly #components: RedemptionComponents
  /** One after the other: of two at once one must see that the other was first. */
  #last: Promise<unknown> = Promise.resolve()

  constructor(components: RedemptionComponents) {
    this.#components = components
  }

  async redeem(request: Uint8Array, bearer: string, issuer: Issuer): Promise<Uint8Array> {
    const redeemed = this.#last.then(async () => this.#redeem(request, bearer, issuer))
    // Its failure is for its own caller; the next one only waits for its end.
    this.#last = redeemed.catch(() => {})
    return await redeemed
  }

  async #redeem(request: Uint8Array, bearer: string, issuer: Issuer): Promise<Uint8Array> {
    const { rpc, store, log } = this.#components
    const { grant, peer, signature } = Redeem.decode(request)
    const publicKey = publicKeyOfPeer(peer)
    const proof = redeemProof(grant, bearer)
    const isOwner =
      publicKey !== undefined && (await createVerifier().verify(publicKey, proof, signature))
    const opened = await openGrant(grant, { issuer, self: rpc.peer, bearer })
    if (opened === undefined || !isOwner) {
      throw new NotAdmittedError('not admitted (stranger): this invitation does not hold here')
    }
    const key = `${usedPrefix}${opened.id}`
    const usedBy = await store.get(key)
    // The same peer may ask again: the answer may have been lost.
    if (usedBy !== undefined && !new TextDecoder().decode(usedBy).startsWith(`${peer} `)) {
      throw new NotAdmittedError('not admitted (revoked): this invitation was used before')
    }
    if (usedBy === undefined) {
      await this.#makeRoom()
      const value = new TextEncoder().encode(`${peer} ${opened.notAfter}`)
      // Durable before the certificate leaves: a crash must not make it usable again.
      await store.write([{ key, value }], { sync: true })
    }
    log('redeemed an invitation', { peer, roles: opened.roles.join(' ') })
    return Issued.encode({ certificate: await issuer.issue(peer, opened.roles) })
  }

  /** Forgets used invitations that have expired; those that have not are never forgotten. */
  async #makeRoom(): Promise<void> {
    const { store, clock } = this.#components
    let count = 0
    const expired: string[] = []
    for await (const [key, value] of store.entries({ prefix: usedPrefix })) {
      count++
      if (Number(new TextDecoder().decode(value).split(' ')[1]) < clock.now()) expired.push(key)
    }
    if (expired.length > 0) {
      const removals = expired.map((key) => ({ key, value: undefined }))
      await store.write(removals, { sync: false })
    }
    if (count - expired.length >= invitationsUsedMax) {
      throw new OverloadedError('too many invitations were used and have not expired')
    }
  }
}

/** What the new peer signs: it holds the key that the certificate will name. */
function redeemProof(grant: Uint8Array, bearer: string): Uint8Array<ArrayBuffer> {
  return bytesToSign('murmuration-redemption-1', bearer, grant)
}

/**
 * Exchanges an invitation for a certificate of the own key. `rpc` is that of a node with the bearer's
 * key and pass, connected to the peer `at`.
 *
 * Throws `NotAdmittedError` if the invitation was used, has expired or does not hold there.
 */
export async function redeemInvitation(
  rpc: Rpc,
  at: string,
  init: {
    readonly grant: Uint8Array
    readonly bearer: string
    readonly privateKey: CertificateCredentials['privateKey']
  }
): Promise<Uint8Array> {
  const signer = createSigner(init.privateKey)
  const signature = await signer.sign(redeemProof(init.grant, init.bearer))
  const request = Redeem.encode({ grant: init.grant, peer: signer.peer, signature })
  const reply = await rpc.call(at, certificateMethods.redeem, request, {
    timeoutMs: certificateCallMs
  })
  const { certificate } = Issued.decode(reply)
  if (readCertificate(certificate).peer !== peerOf(init.privateKey.publicKey)) {
    throw new InvalidParametersError('the certificate that came is for another peer')
  }
  return certificate
}
