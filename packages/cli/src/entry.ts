import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Ed25519PrivateKey } from '@libp2p/interface'
import { createIssuer, loadOrCreateKey } from '@murmuration/identity'
import { createCluster } from '@murmuration/cluster'
import type { Cluster, ClusterInit } from '@murmuration/cluster'
import type { AgentType } from '@murmuration/agent'
import type { Role } from '@murmuration/interface'
import { positive, required, UsageError } from './arguments.ts'
import type { Arguments } from './arguments.ts'
import { addresses, clusterName, existing } from './checked.ts'
import { TIMEOUT_SECONDS_MAX } from './defaults.ts'

/** How a peer gets in, from the options. */
export type Way = Pick<ClusterInit, 'secret' | 'identity' | 'invitation'>

/** The way in for a peer that keeps its key in `--data`. */
export async function wayOfPeer({ values }: Arguments, cluster: string, role: Role): Promise<Way> {
  const { root, invite, data } = values
  const secret = await secretOf(values)
  const given = [root, invite, secret].filter((one) => one !== undefined)
  if (given.length !== 1) {
    throw new UsageError('give exactly one of --root, --invite and --secret-file')
  }
  if (secret !== undefined) return { secret }
  if (invite !== undefined) return { invitation: invite }
  const rootKey = await rootKeyOf(root)
  const key = await loadOrCreateKey(join(required(data, 'data'), 'peer.key'))
  return await wayByRoot(rootKey, cluster, [role], key)
}

/** The key of `--root`. Only the command `root` makes one: another key is another cluster. */
export async function rootKeyOf(path: string | undefined): Promise<Ed25519PrivateKey> {
  const hint = '; murmuration root --out makes a key'
  return await loadOrCreateKey(await existing(required(path, 'root'), 'root', hint))
}

/** A root key at hand: it certifies this peer, and the peer then does so for others. */
async function wayByRoot(
  rootKey: Ed25519PrivateKey,
  cluster: string,
  roles: readonly [Role, ...Role[]],
  key: Ed25519PrivateKey
): Promise<Way> {
  const issuer = createIssuer({ cluster, privateKey: rootKey })
  return {
    identity: {
      rootPublicKey: rootKey.publicKey.raw,
      certificate: await issuer.issue(key.publicKey, roles),
      ...(roles[0] === 'member' ? { issuer: { privateKey: rootKey } } : {})
    }
  }
}

async function secretOf(values: Arguments['values']): Promise<string | undefined> {
  const path = values['secret-file']
  if (path !== undefined) {
    return (await readFile(await existing(path, 'secret-file'), 'utf8')).trim()
  }
  const { MURMURATION_SECRET } = process.env
  return MURMURATION_SECRET === undefined || MURMURATION_SECRET === ''
    ? undefined
    : MURMURATION_SECRET
}

/** Goes in for one question, with a key of its own and without a disk, and leaves again. */
export async function visit<T>(
  args: Arguments,
  role: Role,
  agents: readonly AgentType[],
  ask: (cluster: Cluster) => Promise<T>,
  { operator = false }: { readonly operator?: boolean } = {}
): Promise<T> {
  const { values } = args
  const name = clusterName(values.name)
  const bootstrap = addresses(values.join ?? [], 'join')
  const timeoutMs =
    1_000 * positive(values.timeout, 'timeout', { otherwise: 10, max: TIMEOUT_SECONDS_MAX })
  if (bootstrap.length === 0) throw new UsageError('--join is missing')
  const secret = await secretOf(values)
  let way: Way
  let dataDir: string | undefined
  if (values.root !== undefined) {
    const rootKey = await rootKeyOf(values.root)
    // The key has to be the one of the certificate, so it goes to a folder of this process.
    dataDir = values.data ?? (await mkdtemp(join(tmpdir(), 'murmuration-')))
    const key = await loadOrCreateKey(join(dataDir, 'peer.key'))
    way = await wayByRoot(rootKey, name, operator ? [role, 'member'] : [role], key)
  } else if (secret === undefined) {
    throw new UsageError('give --root or --secret-file, or set MURMURATION_SECRET')
  } else {
    way = { secret }
  }
  const cluster = await createCluster({
    name,
    role,
    agents,
    bootstrap,
    listen: ['/ip4/127.0.0.1/tcp/0'],
    operator,
    ...way,
    ...(dataDir === undefined ? {} : { dataDir })
  })
  try {
    await cluster.ready({ signal: AbortSignal.timeout(timeoutMs) })
    return await ask(cluster)
  } finally {
    await cluster.stop()
    if (dataDir !== undefined && values.data === undefined) {
      await rm(dataDir, { recursive: true, force: true })
    }
  }
}

/** @throws UsageError unless the text names a role */
export function roleOf(text: string | undefined): Role {
  if (text === undefined || text === 'member') return 'member'
  if (text === 'edge' || text === 'guest') return text
  throw new UsageError(`--role must be member, edge or guest, not ${text}`)
}
