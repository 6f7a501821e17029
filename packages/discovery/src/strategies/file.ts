import { InvalidParametersError } from '@murmuration/interface'
import type { Clock } from '@murmuration/interface'
import type { Logger } from '@libp2p/interface'
import type { StrategyFactory } from '../components.ts'
import { FILE_BYTES_MAX, FILE_REFRESH_MS, FILE_SETTLE_MS } from '../defaults.ts'
import { nodeFiles, nodePath } from '../node-builtins.ts'
import { addressesIn } from './address-text.ts'
import { ListedAddresses, timesOf } from './listed.ts'
import type { ListedInit } from './listed.ts'

/** Options of {@link file}. */
export interface FileInit extends ListedInit {
  /** A JSON list of multiaddr texts, or one to a line; `#` starts a comment. At most 64 KiB. */
  readonly path: string
  /** How often the file is read again even if nobody told of a change, in ms. @default 10000 */
  readonly refreshMs?: number
}

/**
 * Takes addresses from a file and follows its changes, atomic replacement and the symbolic links of
 * mounted Kubernetes ConfigMaps included: what is watched is its folder. A file that is not there
 * (yet) lists nobody; one that is damaged leaves the last list in place.
 *
 * Throws `InvalidParametersError` for an empty path, and where there is no file system.
 */
export function file(init: FileInit): StrategyFactory {
  const { path } = init
  if (path === '') {
    throw new InvalidParametersError('file needs a path')
  }
  if (nodeFiles === undefined) {
    throw new InvalidParametersError('there is no file system here')
  }
  const times = timesOf(init, FILE_REFRESH_MS)
  return (components) => {
    const log = components.logger.forComponent('murmuration:discovery:file')
    const list = {
      name: 'file',
      read: () => readAddresses(path),
      watch: (changed: () => void) => watchFolder(path, components.clock, log, changed)
    }
    return new ListedAddresses(components, list, times)
  }
}

async function readAddresses(path: string): Promise<readonly string[]> {
  const files = nodeFiles?.promises
  let handle: Awaited<ReturnType<NonNullable<typeof files>['open']>> | undefined
  try {
    handle = await files?.open(path, 'r')
    if (handle === undefined) {
      return []
    }
    const buffer = new Uint8Array(FILE_BYTES_MAX + 1)
    const { bytesRead } = await handle.read(buffer, 0, buffer.length, 0)
    if (bytesRead > FILE_BYTES_MAX) {
      throw new InvalidParametersError(`${path} has more than ${FILE_BYTES_MAX} bytes`)
    }
    return addressesIn(
      new TextDecoder('utf-8', { fatal: true }).decode(buffer.subarray(0, bytesRead))
    )
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') {
      return []
    }
    throw error
  } finally {
    await handle?.close()
  }
}

/** Writing is several events; the last one of a burst counts. */
function watchFolder(path: string, clock: Clock, log: Logger, changed: () => void): () => void {
  let cancel = (): void => {}
  try {
    const watcher = nodeFiles?.watch(nodePath?.dirname(path) ?? '.', { persistent: false }, () => {
      cancel()
      cancel = clock.schedule(FILE_SETTLE_MS, changed)
    })
    watcher?.on('error', (error) => log('the folder of %s is watched no more: %e', path, error))
    return () => {
      cancel()
      watcher?.close()
    }
  } catch (error) {
    // No such folder, or too many watchers on this machine: the file is still read regularly.
    log('the folder of %s cannot be watched: %e', path, error)
    return () => cancel()
  }
}
