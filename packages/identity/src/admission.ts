import { serviceCapabilities } from '@libp2p/interface'
import type {
  ConnectionEncrypter,
  ConnectionGater,
  CounterGroup,
  ComponentLogger,
  Logger,
  MessageStream,
  Metrics,
  PeerId,
  PrivateKey,
  SecureConnectionOptions,
  SecuredConnection,
  Upgrader
} from '@libp2p/interface'
import { noise } from '@libp2p/noise'
import { tls } from '@libp2p/tls'
import { InvalidParametersError, NotAdmittedError } from '@murmuration/interface'
import { exchange } from './admission-exchange.ts'
import type { ExchangeContext } from './admission-exchange.ts'
import { createAdmittedPeers } from './admitted.ts'
import type { Admitted, AdmittedPeers } from './admitted.ts'
import type { Credentials } from './credentials.ts'
import { admittedMaxDefault, timeoutMsDefault } from './defaults.ts'
import { guardedProtector } from './negotiation-guard.ts'
import type { ProtectorFactory } from './negotiation-guard.ts'
import { createSigner, createVerifier } from './signing.ts'
import { gatherWrites, sendWhole } from './whole-writes.ts'

/** Prefix of the protocol names: `/murmuration/admit/1/tls/1.0.0`, `/murmuration/admit/1/noise`. */
export const admissionPrefix = '/murmuration/admit/1'

/** What libp2p passes to an encrypter. */
export interface EncrypterComponents {
  readonly peerId: PeerId
  readonly privateKey: PrivateKey
  readonly logger: ComponentLogger
  readonly upgrader: Upgrader
  readonly metrics?: Metrics
}

export type EncrypterFactory = (components: EncrypterComponents) => ConnectionEncrypter

export interface AdmissionInit {
  /** What encrypts underneath, best first. @default [tls(), noise()] */
  readonly encrypters?: readonly EncrypterFactory[]
  /** Milliseconds for a whole admission, 500 to 30000. @default 5000 */
  readonly timeoutMs?: number
  /** What everything runs over, as {@link privateNetwork}. @default nothing */
  readonly connectionProtector?: ProtectorFactory
  /** Peers that can be admitted at one time. @default 16384 */
  readonly admittedMax?: number
}

/** The door of a cluster; one for each libp2p node. */
export interface Admission {
  /** For libp2p's option of that name, as the only ones: any other lets strangers in. */
  readonly connectionEncrypters: EncrypterFactory[]
  /**
   * For libp2p's option of that name: refuses peers that are not admitted where a transport brings
   * its own encryption (WebRTC, QUIC), which libp2p does not pass through the encrypters.
   */
  readonly connectionGater: Pick<
    ConnectionGater,
    'denyInboundUpgradedConnection' | 'denyOutboundUpgradedConnection'
  >
  /**
   * For libp2p's option of that name: ends connections on which a stranger says anything but a few short
   * words before the encryption. Without it a few hundred kilobytes of nonsense stall a node for seconds.
   */
  readonly connectionProtector: ProtectorFactory
  readonly admitted: Admitted
}

/**
 * Admission inside the connection upgrade. Each encrypter is wrapped under a protocol name of ours,
 * so that a plain libp2p node fails in the negotiation; after its handshake both sides exchange and
 * check certificates, and only then libp2p gets a connection. A stranger never has one: no stream,
 * no identify, no event.
 *
 * `dial()` of a refused peer rejects. libp2p keeps only the message of an error in the upgrade, so
 * use {@link notAdmittedError} on what it throws.
 *
 * @example
 * ```ts
 * const { admitted, ...door } = admission(credentials)
 * const node = await createLibp2p({ privateKey, ...door, ... })
 * admitted.rolesOf(peer) // ['member']
 * ```
 */
export function admission(credentials: Credentials, init: AdmissionInit = {}): Admission {
  const timeoutMs = init.timeoutMs ?? timeoutMsDefault
  if (!(timeoutMs >= 500 && timeoutMs <= 30_000)) {
    throw new InvalidParametersError('timeoutMs must be 500 to 30000')
  }
  const encrypters = init.encrypters ?? [tls(), noise()]
  if (encrypters.length === 0) {
    throw new InvalidParametersError('an admission needs at least one encrypter')
  }
  const admitted = createAdmittedPeers(credentials, init.admittedMax ?? admittedMaxDefault)
  const signer = createSigner(credentials.privateKey)
  const hasRoomFor = (peer: string): boolean => admitted.hasRoomFor(peer)
  const context = { credentials, signer, verifier: createVerifier(), hasRoomFor }
  credentials.onChange(() => {
    // Its result is who was cut, and each cut connection logs why; it has no failure of its own.
    void admitted.sweep()
  })
  const protocols = new Set<string>()
  const deny = (peer: PeerId): boolean => admitted.rolesOf(peer.toString()) === undefined
  return {
    connectionEncrypters: encrypters.map((encrypter) => (components) => {
      const wrapped = wrap(encrypter(components), components, { ...context, admitted, timeoutMs })
      protocols.add(wrapped.protocol)
      return wrapped
    }),
    connectionProtector: guardedProtector((name) => protocols.has(name), init.connectionProtector),
    connectionGater: {
      denyInboundUpgradedConnection: deny,
      denyOutboundUpgradedConnection: deny
    },
    admitted
  }
}

interface Door extends ExchangeContext {
  readonly admitted: AdmittedPeers
  readonly timeoutMs: number
}

function wrap(
  inner: ConnectionEncrypter,
  components: EncrypterComponents,
  door: Door
): ConnectionEncrypter {
  const { credentials } = door
  if (components.peerId.toString() !== credentials.peer) {
    throw new InvalidParametersError('the libp2p node must have the private key of the credentials')
  }
  const log = components.logger.forComponent('murmuration:identity')
  const outcomes = components.metrics?.registerCounterGroup(
    'murmuration_identity_admissions_total',
    {
      label: 'outcome',
      help: 'Connections by the outcome of their admission'
    }
  )
  const run = async (
    side: 'dialler' | 'listener',
    below: MessageStream,
    secure: (options: SecureConnectionOptions) => Promise<SecuredConnection>,
    options: SecureConnectionOptions
  ): Promise<SecuredConnection> => {
    const secured = await admit(side, secure, options, door, { log, outcomes })
    // The rest stays as it is: tls and noise may have agreed on the muxer already.
    return { ...secured, connection: gatherWrites(secured.connection, below) }
  }
  const encrypter = {
    protocol: `${admissionPrefix}${inner.protocol}`,
    [Symbol.toStringTag]: '@murmuration/identity',
    [serviceCapabilities]: ['@libp2p/connection-encryption'],
    secureInbound: (connection: MessageStream, options: SecureConnectionOptions = {}) =>
      run(
        'listener',
        connection,
        (bounded) => inner.secureInbound(sendWhole(connection), bounded),
        options
      ),
    secureOutbound: (connection: MessageStream, options: SecureConnectionOptions = {}) =>
      run(
        'dialler',
        connection,
        (bounded) => inner.secureOutbound(sendWhole(connection), bounded),
        options
      )
  }
  return encrypter
}

async function admit(
  side: 'dialler' | 'listener',
  secure: (options: SecureConnectionOptions) => Promise<SecuredConnection>,
  options: SecureConnectionOptions,
  door: Door,
  report: { readonly log: Logger; readonly outcomes: CounterGroup | undefined }
): Promise<SecuredConnection> {
  const { credentials, timeoutMs } = door
  const late = new AbortController()
  const cancel = credentials.clock.schedule(timeoutMs, () => {
    late.abort(new NotAdmittedError(`not admitted (timeout): no proof within ${timeoutMs} ms`))
  })
  const signals = options.signal === undefined ? [late.signal] : [late.signal, options.signal]
  const bounded = { ...options, signal: AbortSignal.any(signals) }
  let secured: SecuredConnection | undefined
  try {
    secured = await secure(bounded)
    const result = await pass(side, secured, door, bounded)
    report.outcomes?.increment({ admitted: true })
    return result
  } catch (cause) {
    // A known reason says more than that the time was also up.
    const known = cause instanceof NotAdmittedError || !late.signal.aborted
    const error = known ? cause : late.signal.reason
    report.outcomes?.increment({ [outcomeOf(error)]: true })
    report.log('refused %s connection - %e', side, error)
    secured?.connection.abort(error)
    throw error
  } finally {
    cancel()
  }
}

async function pass(
  side: 'dialler' | 'listener',
  secured: SecuredConnection,
  door: Door,
  options: SecureConnectionOptions
): Promise<SecuredConnection> {
  const { credentials } = door
  const remotePeer = secured.remotePeer.toString()
  let generation = credentials.generation
  const result = await exchange(side, { connection: secured.connection, remotePeer }, door, options)
  let { certificate } = result
  // A peer that was revoked while its exchange ran is in no list that a sweep looks at.
  while (generation !== credentials.generation) {
    generation = credentials.generation
    // oxlint-disable-next-line no-await-in-loop
    certificate = await credentials.verify(result.shown, remotePeer)
  }
  door.admitted.add(certificate, result.shown, result.connection)
  return { ...secured, connection: result.connection }
}

/** The word in parentheses of our messages, which is what survives libp2p's own error. */
const pattern = /not admitted \(([a-z-]+)\)[^\n]*/

function outcomeOf(error: unknown): string {
  return (error instanceof Error ? pattern.exec(error.message)?.[1] : undefined) ?? 'failed'
}

/** Levels of causes and lists of errors that are looked into. */
const depthMax = 4

/**
 * The `NotAdmittedError` behind an error of `dial()`, also where several addresses failed; undefined
 * if the dial failed for another reason. A far end that does not speak our protocol counts as not
 * admitted: it is a plain libp2p node.
 */
export function notAdmittedError(error: unknown, depth = 0): NotAdmittedError | undefined {
  if (!(error instanceof Error) || depth > depthMax) {
    return undefined
  }
  const [message] = pattern.exec(error.message) ?? []
  if (message !== undefined) {
    return new NotAdmittedError(message, { cause: error })
  }
  if (error.message.includes(admissionPrefix)) {
    return new NotAdmittedError('not admitted (stranger): the other side has no admission', {
      cause: error
    })
  }
  const inner: readonly unknown[] = error instanceof AggregateError ? error.errors : [error.cause]
  for (const one of inner) {
    const found = notAdmittedError(one, depth + 1)
    if (found !== undefined) {
      return found
    }
  }
  return undefined
}
