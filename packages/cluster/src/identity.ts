import type { AbortOptions } from '@libp2p/interface'
import { bytes, integer, message, text } from '@murmuration/codec'
import { createCertificateService, createInvitation, createIssuer } from '@murmuration/identity'
import type {
  Admitted,
  CertificateCredentials,
  CertificateService,
  Credentials,
  Equivocation,
  Issuer,
  SecretCredentials
} from '@murmuration/identity'
import { InvalidParametersError, UnsupportedInSecretModeError } from '@murmuration/interface'
import type { Clock, LogSink, Random, Role, Rpc, Store, View } from '@murmuration/interface'
import type { JoiningMembership } from '@murmuration/membership'
import { rootsOf } from './credentials.ts'
import { keepRoots } from './roots.ts'
import { defaults } from './defaults.ts'
import type { CertificateIdentity, ClusterIdentity } from './index.ts'
import type { Settings } from './settings.ts'

const Evidence = message(
  {
    signer: text({ max: 64 }),
    stream: text({ max: 512 }),
    sequence: integer({ min: 0 }),
    one: bytes(),
    other: bytes()
  },
  { bytesMax: 2_097_152 }
)

/** The parts of a peer that {@link Identity} works with. */
export interface IdentityParts {
  readonly settings: Settings
  readonly credentials: Credentials
  readonly admitted: Admitted
  readonly rpc: Rpc
  readonly clock: Clock
  readonly random: Random
  readonly store: Store
  readonly log: LogSink
  readonly connected: () => readonly string[]
  readonly addresses: () => readonly string[]
}

/** Who may come in, while this peer runs. */
export class Identity implements ClusterIdentity {
  readonly #parts: IdentityParts
  readonly #service: CertificateService
  #issuer: Issuer | undefined
  /** Peers whose accusation is under way. */
  readonly #accused = new Set<string>()
  #membership: JoiningMembership | undefined

  constructor(parts: IdentityParts) {
    this.#parts = parts
    const init = parts.settings.identity?.issuer
    this.#issuer = init === undefined ? undefined : this.#issuerOf(init)
    this.#service = createCertificateService({ ...parts, issuer: this.#issuer })
  }

  #issuerOf(init: NonNullable<CertificateIdentity['issuer']>): Issuer {
    const { settings, clock } = this.#parts
    return createIssuer({ cluster: settings.name, clock, ...init })
  }

  async start(): Promise<void> {
    const { credentials, log } = this.#parts
    if (
      isRootKey(credentials) &&
      this.#issuer !== undefined &&
      !isNewest(this.#issuer, credentials)
    ) {
      log('the issuer is not of the newest root key: it renews no certificate of a newer one', {
        root: this.#issuer.root
      })
    }
    await this.#service.start()
  }

  async stop(): Promise<void> {
    await this.#service.stop()
  }

  /** Refuses from now on whom the view refuses; the view is kept on disk, and so this is. */
  follow(membership: JoiningMembership): void {
    this.#membership = membership
    const agree = ({ revoked }: Pick<View, 'revoked'>): void => {
      this.#parts.credentials.agree(revoked ?? { peers: [], serials: [] })
    }
    membership.addEventListener('view', ({ detail }) => agree(detail.view))
    if (membership.view !== undefined) agree(membership.view)
  }

  /** Whether a peer is in the view or was admitted here; all others are strangers. */
  knows(peer: string): boolean {
    const isMember = (): boolean =>
      this.#membership?.view?.members.some((member) => member.peer === peer) === true
    return this.#parts.admitted.rolesOf(peer) !== undefined || isMember()
  }

  /**
   * Two signed contents under one number: kept as evidence, and with a root key reason enough to shut
   * the peer out, because no honest one does that. Of a stranger it is nothing: anybody can make keys,
   * and each that was revoked would take a place in the view.
   */
  async accuse(proof: Equivocation): Promise<void> {
    const { signer, stream, sequence } = proof
    if (!this.knows(signer) || this.#accused.has(signer)) return
    this.#accused.add(signer)
    try {
      const { log, credentials } = this.#parts
      log('a peer has signed two contents under one number', { peer: signer, stream, sequence })
      await this.#keep(proof)
      if (credentials.mode === 'root-key') await this.revoke(signer)
    } finally {
      this.#accused.delete(signer)
    }
  }

  /** The first lie of each peer, of so many peers: so nobody fills the disk with lies. */
  async #keep(proof: Equivocation): Promise<void> {
    const { store, log } = this.#parts
    const key = `evidence/${proof.signer}`
    let count = 0
    for await (const [kept] of store.entries({ prefix: 'evidence/' })) {
      if (kept === key) return
      count++
    }
    if (count >= defaults.evidenceMax) {
      log('there is no room for more evidence', { peer: proof.signer, kept: count })
      return
    }
    await store.write([{ key, value: Evidence.encode(proof) }], { sync: true })
  }

  async evidence(): Promise<readonly Equivocation[]> {
    const found: Equivocation[] = []
    for await (const [, value] of this.#parts.store.entries({ prefix: 'evidence/' })) {
      found.push(Evidence.decode(value))
    }
    return found
  }

  get mode(): Credentials['mode'] {
    return this.#parts.credentials.mode
  }

  rolesOf(peer: string): readonly Role[] | undefined {
    return this.#parts.admitted.rolesOf(peer)
  }

  async revoke(peer: string, options: AbortOptions = {}): Promise<View> {
    const { credentials } = this.#parts
    // Throws where it cannot be, before anything is asked of others.
    credentials.revoke(peer)
    const membership = this.#membership
    if (membership === undefined) throw new InvalidParametersError('this peer has no membership')
    return await membership.propose(
      { revoke: { peers: [peer] } },
      { timeoutMs: defaults.revokeTimeoutMs, ...options }
    )
  }

  async trust(
    rootPublicKey: CertificateIdentity['rootPublicKey'],
    options: Pick<CertificateIdentity, 'issuer'> = {}
  ): Promise<void> {
    const { credentials, store } = this.#parts
    if (!isRootKey(credentials)) throw this.#wrongMode('root keys')
    const roots = rootsOf(rootPublicKey)
    const issuer = options.issuer === undefined ? undefined : this.#issuerOf(options.issuer)
    if (issuer !== undefined && issuer.root !== roots.at(-1)) {
      throw new InvalidParametersError('the issuer must be of the newest root key, the last one')
    }
    await checkOwn(credentials, roots)
    credentials.trust(roots)
    await keepRoots(store, roots)
    if (issuer === undefined) return
    this.#issuer = issuer
    this.#service.use(issuer)
  }

  async renew(certificate?: Uint8Array | readonly Uint8Array[]): Promise<void> {
    const { credentials } = this.#parts
    if (credentials.mode !== 'root-key') throw this.#wrongMode('certificates')
    if (await this.#service.renew(certificate)) return
    throw new InvalidParametersError('no peer that can be reached renews certificates')
  }

  async rotateSecret(
    secret: string | { readonly current: string; readonly next: string }
  ): Promise<void> {
    const { credentials, settings } = this.#parts
    if (!isSecret(credentials)) throw this.#wrongMode('a secret')
    if (settings.privateNetwork) {
      throw new UnsupportedInSecretModeError(
        'a private network knows one key: stop all peers to change the secret'
      )
    }
    await credentials.rotate(secret)
    await this.#service.show()
  }

  async invite(
    options: { readonly roles?: readonly Role[]; readonly ttlMs?: number } = {}
  ): Promise<string> {
    const { rpc, addresses, credentials } = this.#parts
    if (this.#issuer === undefined) {
      if (credentials.mode === 'secret') {
        throw new UnsupportedInSecretModeError(
          'who has the secret can join: give it to the new peer'
        )
      }
      throw new InvalidParametersError('this peer has no issuer: give it one, or ask one that has')
    }
    if (!isRootKey(credentials)) throw this.#wrongMode('root keys')
    if (!isNewest(this.#issuer, credentials)) {
      throw new InvalidParametersError(
        'the issuer is of a root key that is being replaced: give `trust` the one of the next'
      )
    }
    return await createInvitation({
      issuer: this.#issuer,
      roots: credentials.roots(),
      at: rpc.peer,
      addresses: addresses().slice(0, 8),
      ...options
    })
  }

  #wrongMode(what: string): InvalidParametersError {
    return new InvalidParametersError(`this cluster runs on ${this.mode} credentials, not ${what}`)
  }
}

function isSecret(credentials: Credentials): credentials is SecretCredentials {
  return credentials.mode === 'secret'
}

function isRootKey(credentials: Credentials): credentials is CertificateCredentials {
  return credentials.mode === 'root-key'
}

function isNewest({ root }: Issuer, credentials: CertificateCredentials): boolean {
  return root === credentials.roots().at(-1)
}

/** Who drops the root key of the certificate that it shows would be cut off, and could not start again. */
async function checkOwn(
  credentials: CertificateCredentials,
  roots: readonly string[]
): Promise<void> {
  const shown = await credentials.certificates()
  const found = shown.map((one) =>
    credentials.verify([one], credentials.peer).then(
      ({ root }) => [root],
      // It has expired: with which key it was signed does not matter any more.
      () => []
    )
  )
  const held = (await Promise.all(found)).flat()
  if (held.length > 0 && !held.some((root) => roots.includes(root))) {
    throw new InvalidParametersError(
      'the certificate of this peer is of none of these root keys: trust both, and renew it first'
    )
  }
}
