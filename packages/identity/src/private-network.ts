import type { ComponentLogger, ConnectionProtector } from '@libp2p/interface'
import { preSharedKey } from '@libp2p/pnet'
import { InvalidParametersError } from '@murmuration/interface'
import type { Credentials } from './credentials.ts'

/**
 * The pre-shared key of the credentials as libp2p's `connectionProtector`: everything on the wire,
 * handshakes included, is then noise to those who do not have it. It is a second lock under the
 * admission, not a replacement.
 *
 * It knows one key, so all peers must change it at the same time: a cluster that uses it cannot
 * rotate its secret without a stop. Throws `InvalidParametersError` if the credentials have no key.
 */
export function privateNetwork(
  credentials: Credentials
): (components: { logger: ComponentLogger }) => ConnectionProtector {
  if (credentials.psk === undefined) {
    throw new InvalidParametersError('these credentials have no pre-shared key')
  }
  return preSharedKey({ psk: credentials.psk })
}
