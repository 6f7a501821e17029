import { once } from 'node:events'
import { pathToFileURL } from 'node:url'
import type { AgentType } from '@murmuration/agent'
import { createCluster } from '@murmuration/cluster'
import { readInvitation } from '@murmuration/identity'
import { required, UsageError } from '../arguments.ts'
import type { Arguments } from '../arguments.ts'
import { addresses, clusterName, existing } from '../checked.ts'
import { roleOf, wayOfPeer } from '../entry.ts'
import type { Output } from '../output.ts'

/** Runs a peer; on SIGINT or SIGTERM it hands over what it has and ends. */
export async function start(args: Arguments, output: Output): Promise<void> {
  const { values } = args
  const role = roleOf(values.role)
  const dataDir = required(values.data, 'data')
  const invitation = values.invite === undefined ? undefined : await readInvitation(values.invite)
  const name = clusterName(values.name ?? invitation?.cluster)
  const listen = values.listen && addresses(values.listen, 'listen')
  const bootstrap = addresses(values.join ?? invitation?.addresses ?? [], 'join')
  const cluster = await createCluster({
    name,
    role,
    dataDir,
    agents: await agentsOf(values.agents),
    labels: labelsOf(values.label ?? []),
    bootstrap,
    mdns: values.mdns ?? false,
    kademlia: values.kademlia ?? false,
    ...(listen === undefined ? {} : { listen }),
    ...(await wayOfPeer(args, name, role))
  })
  output.data({ peer: cluster.peerId, addresses: cluster.addresses }, cluster.addresses.join('\n'))
  const stop = new AbortController()
  await Promise.race([
    once(process, 'SIGINT', { signal: stop.signal }),
    once(process, 'SIGTERM', { signal: stop.signal })
  ])
  stop.abort()
  output.note('handing over')
  await cluster.drain()
}

/** Agent types that a module exports, by any name. */
async function agentsOf(path: string | undefined): Promise<AgentType[]> {
  if (path === undefined) return []
  const exported: unknown = await import(pathToFileURL(await existing(path, 'agents')).href)
  if (typeof exported !== 'object' || exported === null) return []
  return Object.values(exported).filter(isAgentType)
}

function isAgentType(value: unknown): value is AgentType {
  return typeof value === 'object' && value !== null && 'type' in value && 'actions' in value
}

function labelsOf(texts: readonly string[]): Record<string, string> {
  return Object.fromEntries(
    texts.map((text) => {
      const at = text.indexOf('=')
      if (at < 1) throw new UsageError(`--label must be KEY=VALUE, not ${text}`)
      return [text.slice(0, at), text.slice(at + 1)]
    })
  )
}
