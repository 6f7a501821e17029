import { bytes, list, message, text } from '@murmuration/codec'
import { InvalidParametersError, NotAdmittedError, OverloadedError } from '@murmuration/interface'
import type { Clock, LogSink, Random, Rpc, Service, Store } from '@murmuration/interface'
import type { Admitted } from './admitted.ts'
import { peerOf } from './certificates.ts'
import { readCertificate } from './core/certificate.ts'
import { bytesToSign } from './core/signed-bytes.ts'
import { publicKeyOfPeer } from './core/peer-name.ts'
import type { CertificateCredentials, Credentials } from './credentials.ts'
import {
  certificateBytesMax,
  certificateCallMs,
  certificatesMax,
  invitationsUsedMax,
  renewAtShare,
  renewRetryMsMax,
  renewRetryMsMin,
  showAgainMsMax,
  showAgainShare,
  showAttemptsMax,
  sweepMsMax,
  sweepMsMin
} from './defaults.ts'
import { isPass, openGrant } from './invitation.ts'
import type { Issuer } from './issuer.ts'
import { createSigner, createVerifier } from './signing.ts'

/** RPC methods: showing newer certificates, having one renewed, redeeming an invitation. */
export const certificateMethods = {
  show: 'identity.show',
  renew: 'identity.renew',
  redeem: 'identity.redeem'
} as const

const certificateBytes = bytes({ max: certificateBytesMax })
const Shown = message({ certificates: list(certificateBytes, { max: certificatesMax }) })
const Empty = message({})
const Issued = message({ certificate: certificateBytes })
const Redeem = message({
  grant: bytes({ max: 1_024 }),
  peer: text({ max: 64 }),
  signature: bytes({ max: 64 })
})

/** What {@link createCertificateService} needs. */
export interface CertificateServiceComponents {
  readonly credentials: Credentials
  readonly admitted: Admitted
  readonly rpc: Rpc
  readonly clock: Clock
  readonly random: Random
  /** For certificates that were renewed and invitations that were used. */
  readonly store: Store
  /** PeerIds (text) of the peers with an open connection. */
  readonly connected: () => readonly string[]
  /** With it this peer renews the certificates of others and redeems invitations. */
  readonly issuer?: Issuer | undefined
  readonly log: LogSink
}

/** Keeps certificates fresh on both sides of all connections, without a stop. */
export interface CertificateService extends Service {
  /** Shows the present certificates to all connected peers: after a step of a rotation. */
  show(): Promise<void>
  /** Renews the own certificate now; false if nobody did. Only with a root key. */
  renew(): Promise<boolean>
}

/**
 * Renews the own certificate at half of its life (from the own issuer, else from any connected peer
 * that has one), keeps it in the store, shows it to all connected peers, and cuts peers whose own
 * has expired. With an issuer it does the same for others and redeems invitations, each once.
 */
export function createCertificateService(
  components: CertificateServiceComponents
): CertificateService {
  return new CertificateKeeper(components)
}

const usedPrefix = 'invitation/'
const ownKey = 'certificate'

/** The certificate that was renewed last, from the store; undefined if there is none. */
export function storedCertificate(store: Store): Promise<Uint8Array | undefined> {
  return store.get(ownKey)
}

/** Keeps a certificate in the store, for {@link storedCertificate}. */
export async function storeCertificate(store: Store, certificate: Uint8Array): Promise<void> {
  await store.write([{ key: ownKey, value: certificate }], { sync: true })
}

class CertificateKeeper implements CertificateService {
  readonly #components: CertificateServiceComponents
  #running: AbortController | undefined
  #cancelRenewal: (() => void) | undefined
  #cancelSweep: (() => void) | undefined
  #cancelShow: (() => void) | undefined
  #failures = 0
  /** Redemptions one after the other: of two at once one must see that the other was first. */
  #redeeming: Promise<unknown> = Promise.resolve()

  constructor(components: CertificateServiceComponents) {
    this.#components = components
  }

  async start(): Promise<void> {
    if (this.#running !== undefined) return
    this.#running = new AbortController()
    const { rpc, issuer, admitted } = this.#components
    rpc.handle(certificateMethods.show, async (request, { peer }) => {
      await admitted.renew(peer, Shown.decode(request).certificates)
      return Empty.encode({})
    })
    if (issuer !== undefined) {
      rpc.handle(certificateMethods.renew, async (_request, { peer }) => this.#renewFor(peer))
      rpc.handle(certificateMethods.redeem, async (request, { peer }) => {
        const redeemed = this.#redeeming.then(async () => this.#redeem(request, peer))
        // Its failure is for its own caller; the next one only waits for its end.
        this.#redeeming = redeemed.catch(() => {})
        return await redeemed
      })
    }
    await this.#planRenewal()
    this.#planSweep(await this.#sweepMs())
  }

  stop(): void {
    if (this.#running === undefined) return
    this.#running.abort()
    this.#running = undefined
    this.#cancelRenewal?.()
    this.#cancelSweep?.()
    this.#cancelShow?.()
    const { rpc } = this.#components
    for (const method of Object.values(certificateMethods)) rpc.unhandle(method)
  }

  async show(): Promise<void> {
    const { credentials, rpc, connected, log } = this.#components
    const certificates = [...(await credentials.certificates())]
    const request = Shown.encode({ certificates })
    await Promise.all(
      connected().map(async (peer) => {
        for (let attempt = 1; attempt <= showAttemptsMax; attempt++) {
          try {
            // One after the other: only what failed is repeated.
            // oxlint-disable-next-line no-await-in-loop
            await rpc.call(peer, certificateMethods.show, request, this.#limits())
            return
          } catch (error) {
            // In the end it cuts the connection, and the next one shows the new certificate.
            log('a certificate was not shown', { peer, attempt, reason: String(error) })
          }
        }
      })
    )
  }

  async renew(): Promise<boolean> {
    const { credentials, issuer, store, log } = this.#components
    if (!isRootKey(credentials)) return false
    const { peer } = credentials
    const [own = new Uint8Array()] = await credentials.certificates()
    const { roles } = readCertificate(own)
    const certificate =
      issuer === undefined ? await this.#askOthers() : await issuer.issue(peer, roles)
    if (certificate === undefined) return false
    await credentials.renew(certificate)
    await storeCertificate(store, certificate)
    log('renewed the certificate', { until: readCertificate(certificate).notAfter })
    await this.show()
    this.#showAgain(readCertificate(certificate).notAfter - this.#components.clock.now())
    return true
  }

  /** A peer whose admission was under way during the renewal has seen the old certificate only. */
  #showAgain(leftMs: number): void {
    this.#cancelShow?.()
    this.#cancelShow = this.#components.clock.schedule(
      Math.min(showAgainMsMax, leftMs * showAgainShare),
      () => void this.show()
    )
  }

  /** The first certificate that somebody gives. */
  async #askOthers(): Promise<Uint8Array | undefined> {
    const { rpc, connected, random } = this.#components
    const peers = [...connected()]
    while (peers.length > 0) {
      const [peer = ''] = peers.splice(Math.floor(random.next() * peers.length), 1)
      try {
        // One after the other: most clusters have few issuers, and one certificate is enough.
        // oxlint-disable-next-line no-await-in-loop
        const reply = await rpc.call(
          peer,
          certificateMethods.renew,
          Empty.encode({}),
          this.#limits()
        )
        return Issued.decode(reply).certificate
      } catch {
        // It is no issuer, or does not answer; the next one may.
      }
    }
    return undefined
  }

  #limits(): { timeoutMs: number; signal?: AbortSignal } {
    const signal = this.#running?.signal
    return { timeoutMs: certificateCallMs, ...(signal === undefined ? {} : { signal }) }
  }

  async #planRenewal(): Promise<void> {
    const { credentials, clock } = this.#components
    const [own = new Uint8Array()] = await credentials.certificates()
    const { notBefore, notAfter } = readCertificate(own)
    const now = clock.now()
    // Of what is left, not of the whole life: its beginning lies in the past for clocks that differ.
    const share = now < notBefore ? notAfter - notBefore : Math.max(0, notAfter - now)
    this.#schedule(this.#failures === 0 ? share * renewAtShare : 0)
  }

  #schedule(delayMs: number): void {
    const { clock, random } = this.#components
    const { signal } = this.#running ?? {}
    if (signal === undefined) return
    const backoff = Math.min(renewRetryMsMax, renewRetryMsMin * 2 ** Math.min(this.#failures, 20))
    const delay = this.#failures === 0 ? delayMs : backoff * (0.5 + random.next())
    // Timers take no more than 31 bits; a longer wait is looked at again on the way.
    this.#cancelRenewal = clock.schedule(Math.min(delay, 2 ** 31 - 1), () => void this.#onTime())
  }

  async #onTime(): Promise<void> {
    const { credentials, log } = this.#components
    try {
      // Certificates of a secret renew themselves; the others must still be told.
      const isDone = isRootKey(credentials) ? await this.renew() : (await this.show(), true)
      this.#failures = isDone ? 0 : this.#failures + 1
    } catch (error) {
      this.#failures++
      log('the certificate was not renewed', { reason: String(error) })
    }
    await this.#planRenewal()
  }

  /** Often enough that an expired peer is cut within a twentieth of the life of certificates. */
  async #sweepMs(): Promise<number> {
    const [own = new Uint8Array()] = await this.#components.credentials.certificates()
    const { notAfter } = readCertificate(own)
    const left = notAfter - this.#components.clock.now()
    return Math.min(sweepMsMax, Math.max(sweepMsMin, left / 20))
  }

  #planSweep(everyMs: number): void {
    this.#cancelSweep = this.#components.clock.schedule(everyMs, () => {
      // Each cut connection says why in the log; the sweep has no failure of its own.
      void this.#components.admitted.sweep()
      this.#planSweep(everyMs)
    })
  }

  async #renewFor(peer: string): Promise<Uint8Array> {
    const { admitted, issuer } = this.#components
    const certificate = admitted.certificateOf(peer)
    // Who was invited only exchanges its pass, and who is not connected any more asks in vain.
    if (issuer === undefined || certificate === undefined || isPass(certificate)) {
      throw new NotAdmittedError('not admitted (stranger): there is nothing to renew')
    }
    return Issued.encode({ certificate: await issuer.issue(peer, certificate.roles) })
  }

  async #redeem(request: Uint8Array, bearer: string): Promise<Uint8Array> {
    const { issuer, rpc, store, log } = this.#components
    const { grant, peer, signature } = Redeem.decode(request)
    const publicKey = publicKeyOfPeer(peer)
    const proof = redeemProof(grant, bearer)
    const isOwner =
      publicKey !== undefined && (await createVerifier().verify(publicKey, proof, signature))
    const opened =
      issuer === undefined ? undefined : await openGrant(grant, { issuer, self: rpc.peer, bearer })
    if (issuer === undefined || opened === undefined || !isOwner) {
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

function isRootKey(credentials: Credentials): credentials is CertificateCredentials {
  return credentials.mode === 'root-key'
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
