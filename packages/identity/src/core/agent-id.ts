import { InvalidParametersError } from '@murmuration/interface'
import { publicKeyOfPeer } from './peer-name.ts'

/** The parts of an agent id. */
export interface AgentIdParts {
  readonly namespace: string
  readonly type: string
  readonly key: string
}

const segment = /^[a-z0-9][a-z0-9\-_.]*$/
const segmentMax = 64
const keyBytesMax = 256
const idBytesMax = 400
// Control characters of ASCII and Latin-1, and the line separators: they hide or break log lines.
// oxlint-disable-next-line no-control-regex
const forbiddenInKey = /[\u0000-\u001f\u007f-\u009f\u2028\u2029/]/
const encoder = new TextEncoder()

/**
 * The globally unique id of an agent: `namespace/type/key`.
 *
 * `namespace` and `type`: 1 to 64 of `a-z 0-9 - _ .`, beginning with a letter or digit. `key`: 1 to
 * 256 UTF-8 bytes without `/` and control characters, taken as it is: no case folding, no Unicode
 * normalisation. The whole has at most 400 bytes.
 *
 * Throws `InvalidParametersError`.
 */
export function agentId(type: string, key: string, namespace = 'default'): string {
  checkSegment('namespace', namespace)
  checkSegment('type', type)
  checkKey(key)
  return `${namespace}/${type}/${key}`
}

/** Takes an agent id apart; throws `InvalidParametersError` for anything {@link agentId} never makes. */
export function parseAgentId(id: string): AgentIdParts {
  if (typeof id !== 'string' || id.length > idBytesMax) {
    throw new InvalidParametersError(`an agent id is a text of at most ${idBytesMax} bytes`)
  }
  const [namespace, type, key, ...rest] = id.split('/')
  if (namespace === undefined || type === undefined || key === undefined || rest.length > 0) {
    throw new InvalidParametersError(`agent id ${quote(id)} is not "namespace/type/key"`)
  }
  checkSegment('namespace', namespace)
  checkSegment('type', type)
  checkKey(key)
  return { namespace, type, key }
}

/**
 * Whether the agent `id` belongs to the key of `owner` (PeerId as text): its key part is exactly
 * that PeerId, and the PeerId holds an Ed25519 public key. Who can sign as that peer speaks for the
 * agent, and nobody has to be asked. Make such an id with `agentId(type, peerId)`.
 *
 * An id that does not parse is not self-certifying: the answer is false.
 */
export function isSelfCertifyingFor(id: string, owner: string): boolean {
  if (publicKeyOfPeer(owner) === undefined) {
    return false
  }
  try {
    return parseAgentId(id).key === owner
  } catch {
    // Not an agent id at all, so it certifies nothing.
    return false
  }
}

function checkSegment(name: string, value: string): void {
  if (typeof value !== 'string' || value.length > segmentMax || !segment.test(value)) {
    throw new InvalidParametersError(
      `${name} ${quote(value)} must be 1 to ${segmentMax} of a-z 0-9 - _ . and begin with a letter or digit`
    )
  }
}

function checkKey(key: string): void {
  if (typeof key !== 'string' || key.length === 0 || key.length > keyBytesMax) {
    throw new InvalidParametersError(`an agent key has 1 to ${keyBytesMax} bytes`)
  }
  if (!key.isWellFormed() || forbiddenInKey.test(key)) {
    throw new InvalidParametersError(
      `agent key ${quote(key)} must not contain "/", control characters or broken Unicode`
    )
  }
  if (encoder.encode(key).length > keyBytesMax) {
    throw new InvalidParametersError(`an agent key has 1 to ${keyBytesMax} bytes`)
  }
}

/** The value as it may stand in a message: escaped and short. */
function quote(value: unknown): string {
  const text = JSON.stringify(value) ?? typeof value
  return text.length > 80 ? `${text.slice(0, 80)}…` : text
}
