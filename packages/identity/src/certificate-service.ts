import { NotAdmittedError, UnavailableError } from '@murmuration/interface'
import type { Clock, LogSink, Random, Rpc, Service, Store } from '@murmuration/interface'
import type { Admitted } from './admitted.ts'
import { certificateMethods, Empty, Issued, Shown } from './certificate-messages.ts'
import { readCertificate } from './core/certificate.ts'
import type { CertificateCredentials, Credentials } from './credentials.ts'
import {
  certificateCallMs,
  renewAtShare,
  renewRetryMsMax,
  renewRetryMsMin,
  showAgainMsMax,
  showAgainShare,
  showAttemptsMax,
  sweepMsMax,
  sweepMsMin
} from './defaults.ts'
import { isPass } from './invitation.ts'
import type { Issuer } from './issuer.ts'
import { Redemptions } from './redemption.ts'

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
  /**
   * Renews the own certificate now, by these where they are given; false if nobody did. Only with a
   * root key. Those who are connected are shown the new one before anybody who comes anew, so that a
   * newcomer that sees it knows that they have it, but for those that did not answer. Resolves when they
   * were asked again. Throws `InvalidCertificateError` where none of these holds.
   */
  renew(certificates?: Uint8Array | readonly Uint8Array[]): Promise<boolean>
  /** Renews and redeems with this issuer from now on. */
  use(issuer: Issuer): void
}

/**
 * Renews the own certificate at half of its life (from the own issuer, else from any connected peer
 * that has one), keeps it in the store, shows it to all connected peers, and cuts peers whose own
 * has expired. With an issuer it does the same for others and redeems invitations, each once. While
 * the root key is being changed nobody goes back to the older one.
 */
export function createCertificateService(
  components: CertificateServiceComponents
): CertificateService {
  return new CertificateKeeper(components)
}

const ownKeys = ['certificate', 'certificate/2']

/** The certificates that were renewed last, from the store. */
export async function storedCertificates(store: Store): Promise<readonly Uint8Array[]> {
  const stored = await Promise.all(ownKeys.map((key) => store.get(key)))
  return stored.filter((certificate) => certificate !== undefined)
}

/** Keeps one or two certificates in the store, for {@link storedCertificates}. */
export async function storeCertificates(
  store: Store,
  certificates: Uint8Array | readonly Uint8Array[]
): Promise<void> {
  const list = certificates instanceof Uint8Array ? [certificates] : certificates
  const batch = ownKeys.map((key, index) => ({ key, value: list[index] }))
  await store.write(batch, { sync: true })
}

class CertificateKeeper implements CertificateService {
  readonly #components: CertificateServiceComponents
  #running: AbortController | undefined
  #cancelRenewal: (() => void) | undefined
  #cancelSweep: (() => void) | undefined
  #cancelShow: (() => void) | undefined
  #failures = 0
  #issuer: Issuer | undefined
  readonly #redemptions: Redemptions

  constructor(components: CertificateServiceComponents) {
    this.#components = components
    this.#issuer = components.issuer
    this.#redemptions = new Redemptions(components)
  }

  async start(): Promise<void> {
    if (this.#running !== undefined) return
    this.#running = new AbortController()
    const { rpc, admitted } = this.#components
    rpc.handle(certificateMethods.show, async (request, { peer }) => {
      await admitted.renew(peer, Shown.decode(request).certificates)
      return Empty.encode({})
    })
    if (this.#issuer !== undefined) this.#serve()
    await this.#planRenewal()
    await this.#planSweep()
  }

  use(issuer: Issuer): void {
    const isServing = this.#issuer !== undefined
    this.#issuer = issuer
    if (this.#running !== undefined && !isServing) this.#serve()
  }

  #serve(): void {
    const { rpc } = this.#components
    rpc.handle(certificateMethods.renew, async (_request, { peer }) => this.#renewFor(peer))
    rpc.handle(certificateMethods.redeem, async (request, { peer }) => this.#redeem(request, peer))
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
    const { credentials, connected } = this.#components
    await this.#show(await credentials.certificates(), connected(), showAttemptsMax)
  }

  /** Returns who took them. */
  async #show(
    certificates: readonly Uint8Array[],
    peers: readonly string[],
    attemptsMax: number
  ): Promise<ReadonlySet<string>> {
    const { rpc, log } = this.#components
    const request = Shown.encode({ certificates: [...certificates] })
    const have = new Set<string>()
    await Promise.all(
      peers.map(async (peer) => {
        for (let attempt = 1; attempt <= attemptsMax && !have.has(peer); attempt++) {
          try {
            // One after the other: only what failed is repeated.
            // oxlint-disable-next-line no-await-in-loop
            await rpc.call(peer, certificateMethods.show, request, this.#limits())
            have.add(peer)
          } catch (error) {
            // In the end it cuts the connection, and the next one shows the new certificate.
            log('a certificate was not shown', { peer, attempt, reason: String(error) })
          }
        }
      })
    )
    return have
  }

  async renew(certificates?: Uint8Array | readonly Uint8Array[]): Promise<boolean> {
    const { connected, credentials, store, log, clock } = this.#components
    if (!isRootKey(credentials)) return false
    const fresh = certificates ?? (await this.#newCertificate(credentials))
    if (fresh === undefined) return false
    const rank = await credentials.rankOf([fresh].flat())
    const isOutdated = async (): Promise<boolean> =>
      certificates === undefined &&
      rank < (await credentials.rankOf(await credentials.certificates()))
    // Others were asked, and somebody may have given this peer one of a newer root key meanwhile.
    if (await isOutdated()) return false
    // Once only: who does not answer must not hold it up until the old one expires.
    const have = rank < 0 ? undefined : await this.#show([fresh].flat(), connected(), 1)
    if (await isOutdated()) return false
    await credentials.renew(fresh)
    await storeCertificates(store, fresh)
    const [own = new Uint8Array()] = await credentials.certificates()
    const { notAfter } = readCertificate(own)
    log('renewed the certificate', { until: notAfter })
    this.#failures = 0
    await this.#planRenewal()
    // Those that came meanwhile were shown the old one.
    const late = connected().filter((peer) => have?.has(peer) !== true)
    await this.#show([fresh].flat(), late, showAttemptsMax)
    this.#showAgain(notAfter - clock.now())
    return true
  }

  /** Under the newest root key that somebody issues for, and no older one than the present. */
  async #newCertificate(credentials: CertificateCredentials): Promise<Uint8Array | undefined> {
    const own = await credentials.certificates()
    const [first = new Uint8Array()] = own
    const atLeast = Math.max(0, await credentials.rankOf(own))
    const issue = async (): Promise<Uint8Array | undefined> =>
      this.#issuer?.issue(credentials.peer, readCertificate(first).roles)
    if (this.#issuerRank() === credentials.roots().length - 1) return await issue()
    const given = await this.#askOthers(credentials, atLeast)
    return given ?? (this.#issuerRank() >= atLeast ? await issue() : undefined)
  }

  /** The place of the issuer's root key among those that are trusted; -1 for none. */
  #issuerRank(): number {
    const { credentials } = this.#components
    const root = this.#issuer?.root
    return root === undefined || !isRootKey(credentials) ? -1 : credentials.roots().indexOf(root)
  }

  /** A peer whose admission was under way during the renewal has seen the old certificate only. */
  #showAgain(leftMs: number): void {
    this.#cancelShow?.()
    this.#cancelShow = this.#components.clock.schedule(
      Math.min(showAgainMsMax, leftMs * showAgainShare),
      () => void this.show()
    )
  }

  /** The first certificate of the newest root key that somebody gives, else one that will do. */
  async #askOthers(
    credentials: CertificateCredentials,
    atLeast: number
  ): Promise<Uint8Array | undefined> {
    const { rpc, connected, random } = this.#components
    const peers = [...connected()]
    let found: Uint8Array | undefined
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
        const { certificate } = Issued.decode(reply)
        // oxlint-disable-next-line no-await-in-loop
        const rank = await credentials.rankOf([certificate])
        if (rank === credentials.roots().length - 1) return certificate
        if (rank >= atLeast) found = certificate
      } catch {
        // It is no issuer, or does not answer; the next one may.
      }
    }
    return found
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
    // With the end of a delegate ever less is left each time.
    this.#schedule(Math.max(renewRetryMsMin, share * renewAtShare))
  }

  #schedule(delayMs: number): void {
    const { clock, random } = this.#components
    this.#cancelRenewal?.()
    if (this.#running === undefined) return
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

  /**
   * Often enough that an expired peer is cut within a twentieth of the life of certificates, as far as
   * the own one tells: it is looked at each time, for it may have been about to expire.
   */
  async #planSweep(): Promise<void> {
    const { credentials, clock, admitted } = this.#components
    const running = this.#running
    const [own = new Uint8Array()] = await credentials.certificates()
    const left = readCertificate(own).notAfter - clock.now()
    if (running === undefined || running !== this.#running) return
    const delayMs = Math.min(sweepMsMax, Math.max(sweepMsMin, left / 20))
    this.#cancelSweep = clock.schedule(delayMs, () => {
      // Each cut connection says why in the log; the sweep has no failure of its own.
      void admitted.sweep()
      void this.#planSweep()
    })
  }

  async #renewFor(peer: string): Promise<Uint8Array> {
    const { admitted, credentials } = this.#components
    const issuer = this.#issuer
    const certificate = admitted.certificateOf(peer)
    // Who was invited only exchanges its pass, and who is not connected any more asks in vain.
    if (issuer === undefined || certificate === undefined || isPass(certificate)) {
      throw new NotAdmittedError('not admitted (stranger): there is nothing to renew')
    }
    const rank = isRootKey(credentials) ? credentials.roots().indexOf(certificate.root) : -1
    if (this.#issuerRank() < Math.max(0, rank)) {
      throw new UnavailableError('the issuer of this peer is of a root key that was replaced')
    }
    return Issued.encode({ certificate: await issuer.issue(peer, certificate.roles) })
  }

  async #redeem(request: Uint8Array, bearer: string): Promise<Uint8Array> {
    const { credentials } = this.#components
    const issuer = this.#issuer
    const isNewest = isRootKey(credentials) && issuer?.root === credentials.roots().at(-1)
    if (issuer === undefined || !isNewest) {
      throw new NotAdmittedError('not admitted (wrong-root): the root key is being replaced')
    }
    return await this.#redemptions.redeem(request, bearer, issuer)
  }
}

function isRootKey(credentials: Credentials): credentials is CertificateCredentials {
  return credentials.mode === 'root-key'
}
