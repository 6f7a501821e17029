import type { MessageStream } from '@libp2p/interface'
import { InvalidParametersError, NotAdmittedError } from '@murmuration/interface'
import type { Role } from '@murmuration/interface'
import type { VerifiedCertificate } from './core/certificate.ts'
import type { Credentials } from './credentials.ts'

/** The peers that are admitted now: those with an open connection that passed the admission. */
export interface Admitted {
  /** Number of admitted peers. */
  readonly size: number
  /** The roles of a connected peer (PeerId as text); undefined for everybody else. */
  rolesOf(peer: string): readonly Role[] | undefined
  /** What a connected peer has shown, for whoever has to judge it anew. */
  shownBy(peer: string): readonly Uint8Array[] | undefined
  /** The certificate under which a connected peer was admitted. */
  certificateOf(peer: string): VerifiedCertificate | undefined
  /**
   * Takes newer certificates of a connected peer, so that its connections outlive the old one.
   * Throws `InvalidCertificateError` (and keeps the old one), or `InvalidParametersError` if the
   * peer is not connected.
   */
  renew(peer: string, certificates: readonly Uint8Array[]): Promise<VerifiedCertificate>
  /**
   * Checks all admitted peers again and cuts those whose certificate holds no longer; returns them.
   * It runs by itself when the credentials change; call it each minute for those that expire.
   */
  sweep(): Promise<readonly string[]>
}

interface Entry {
  certificate: VerifiedCertificate
  shown: readonly Uint8Array[]
  /** Of the credentials, when these certificates were checked. */
  generation: number
  /** When they were: a clock that is set back does not go back before that. */
  heldAt: number
  readonly connections: Set<MessageStream>
}

/** {@link Admitted}, and how the admission fills it. */
export interface AdmittedPeers extends Admitted {
  hasRoomFor(peer: string): boolean
  /** Remembers the peer until this connection, and every other one of it, is closed. */
  add(
    certificate: VerifiedCertificate,
    shown: readonly Uint8Array[],
    connection: MessageStream
  ): void
}

export function createAdmittedPeers(credentials: Credentials, max: number): AdmittedPeers {
  const entries = new Map<string, Entry>()

  /** Under a root key or secret that was changed meanwhile, the later one need not be the good one. */
  const isTrusted = ({ generation }: Entry): boolean => generation === credentials.generation

  const hasRoomFor = (peer: string): boolean => entries.has(peer) || entries.size < max

  const add: AdmittedPeers['add'] = (certificate, shown, connection) => {
    const { peer } = certificate
    if (connection.status !== 'open') {
      throw new NotAdmittedError('not admitted (closed): the connection ended')
    }
    let entry = entries.get(peer)
    if (entry === undefined) {
      if (!hasRoomFor(peer)) {
        throw new NotAdmittedError(`not admitted (full): ${max} peers are admitted already`)
      }
      const { clock, generation } = credentials
      const heldAt = clock.now()
      entry = { certificate, shown, generation, heldAt, connections: new Set() }
      entries.set(peer, entry)
    }
    const { connections } = entry
    // An admission may have been under way while newer certificates were shown: those stay.
    if (certificate.notAfter >= entry.certificate.notAfter || !isTrusted(entry)) {
      entry.certificate = certificate
      entry.shown = shown
      entry.generation = credentials.generation
      entry.heldAt = credentials.clock.now()
    }
    connections.add(connection)
    connection.addEventListener('close', () => {
      connections.delete(connection)
      if (connections.size === 0 && entries.get(peer)?.connections === connections) {
        entries.delete(peer)
      }
    })
  }

  return {
    get size() {
      return entries.size
    },
    rolesOf: (peer) => entries.get(peer)?.certificate.roles,
    shownBy: (peer) => entries.get(peer)?.shown,
    certificateOf: (peer) => entries.get(peer)?.certificate,
    hasRoomFor,
    add,
    renew: async (peer, certificates) => {
      const certificate = await credentials.verify(certificates, peer)
      const entry = entries.get(peer)
      if (entry === undefined) {
        throw new InvalidParametersError(`peer ${peer} is not connected`)
      }
      entry.certificate = certificate
      entry.shown = [...certificates]
      entry.generation = credentials.generation
      entry.heldAt = credentials.clock.now()
      return certificate
    },
    sweep: async () => {
      const cut: string[] = []
      for (const [peer, entry] of entries) {
        // One after the other, so that a large cluster does not stall the event loop.
        // oxlint-disable-next-line no-await-in-loop
        if (await cutUnlessHolding(credentials, peer, entry)) {
          cut.push(peer)
        }
      }
      return cut
    }
  }
}

async function cutUnlessHolding(
  credentials: Credentials,
  peer: string,
  entry: Entry
): Promise<boolean> {
  const { shown } = entry
  try {
    await credentials.verify(shown, peer, { notBefore: entry.heldAt })
    return false
  } catch (cause) {
    // Renewed while the old one was being checked.
    if (entry.shown !== shown) return false
    const reason = cause instanceof Error ? cause.message : String(cause)
    const error = new NotAdmittedError(`not admitted any longer: ${reason}`, { cause })
    for (const connection of entry.connections) {
      connection.abort(error)
    }
    return true
  }
}
