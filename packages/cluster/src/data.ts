import { rename } from 'node:fs/promises'
import { join } from 'node:path'
import { generateKeyPair } from '@libp2p/crypto/keys'
import type { Logger, PrivateKey } from '@libp2p/interface'
import { loadOrCreateKey } from '@murmuration/identity'
import type { Store } from '@murmuration/interface'
import { createMemoryStore, openLevelStore } from '@murmuration/storage'
import type { Closers } from './closers.ts'
import type { Settings } from './settings.ts'

/** What a peer keeps: its key, and its store. */
export async function openData(
  settings: Settings,
  closers: Closers,
  log: Logger
): Promise<{ readonly store: Store; readonly privateKey: PrivateKey }> {
  const { dataDir } = settings
  if (dataDir === undefined) {
    return { store: createMemoryStore(), privateKey: await generateKeyPair('Ed25519') }
  }
  const store = await openStore(settings, join(dataDir, 'store'), log)
  closers.add(() => store.close())
  return { store, privateKey: await loadOrCreateKey(join(dataDir, 'peer.key')) }
}

/**
 * Files that are damaged may show what was overwritten or deleted, promises included, so nothing in
 * them is believed: the peer is one that lost its disk, or it does not start.
 */
async function openStore({ damagedStore }: Settings, path: string, log: Logger): Promise<Store> {
  try {
    return await openLevelStore({ path })
  } catch (error) {
    const isDamaged = error instanceof Error && error.name === 'CorruptDataError'
    if (!isDamaged || damagedStore !== 'replace') throw error
    const aside = `${path}.damaged-${new Date().toISOString().replaceAll(/\W/g, '')}`
    await rename(path, aside)
    log.error('%s; it is kept as %s, and this peer joins with an empty one', error.message, aside)
    return await openLevelStore({ path })
  }
}
