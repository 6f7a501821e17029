import { mkdtemp, rm } from 'node:fs/promises'
import { createServer } from 'node:net'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createCluster } from '@murmuration/cluster'
import type { Cluster } from '@murmuration/cluster'
import type { BenchContext } from '../bench.ts'
import { meter } from './agents.ts'
import type { PeerArguments, PeerReady } from './peer.ts'

/** Three members with disks, and an edge peer in this process that asks them. */
export interface BudgetCluster {
  readonly edge: Cluster
  /** PeerIds (text) of the members. */
  readonly peers: readonly string[]
  /** Port of a raw echo behind the same delay. */
  readonly echoPort: number
  /** Port of a raw chain of two disks: see `chain.ts`. */
  readonly chainPort: number
  close(): Promise<void>
}

const MEMBERS = 3

export async function startCluster(context: BenchContext, delayMs: number): Promise<BudgetCluster> {
  const folder = await mkdtemp(join(tmpdir(), 'budgets-'))
  const secret = 'a secret for this bench alone'
  const ports = await Promise.all(Array.from({ length: MEMBERS }, freePort))
  const fronts = delayMs === 0 ? undefined : await delayed(context, delayMs, ports)
  const members: PeerReady[] = []
  for (const [at, port] of ports.entries()) {
    const front = fronts?.[at]
    const init: PeerArguments = {
      port,
      announce: front === undefined ? undefined : `/ip4/127.0.0.1/tcp/${front}`,
      bootstrap: members.flatMap(({ addresses }) => addresses),
      dataDir: join(folder, `peer-${at}`),
      secret
    }
    members.push(
      (await context.start(new URL('./peer.ts', import.meta.url), [
        JSON.stringify(init)
      ])) as PeerReady
    )
  }
  const edge = await createCluster({
    name: 'budgets',
    secret,
    agents: [meter],
    listen: [],
    role: 'edge',
    bootstrap: members.flatMap(({ addresses }) => addresses)
  })
  while (edge.members().length < MEMBERS || (edge.discovery?.connected().length ?? 0) < MEMBERS) {
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
  return {
    edge,
    ...(await startRaw(context, delayMs, folder)),
    peers: members.map(({ peer }) => peer),
    async close() {
      await edge.stop()
      await context.endChildren()
      await rm(folder, { recursive: true, force: true })
    }
  }
}

/** The raw sockets beside which all is measured. */
export async function startRaw(
  context: BenchContext,
  delayMs: number,
  folder: string
): Promise<Pick<BudgetCluster, 'echoPort' | 'chainPort'>> {
  const start = async (module: URL, args: readonly string[]): Promise<number> => {
    const port = (await context.start(module, args)) as number
    const [front = port] = delayMs === 0 ? [] : await delayed(context, delayMs, [port])
    return front
  }
  const chain = new URL('./chain.ts', import.meta.url)
  const second = await start(chain, [join(folder, 'raw-2')])
  const chainPort = await start(chain, [join(folder, 'raw-1'), String(second)])
  return { echoPort: await start(new URL('./echo.ts', import.meta.url), []), chainPort }
}

async function delayed(
  context: BenchContext,
  delayMs: number,
  targets: readonly number[]
): Promise<readonly number[]> {
  const init = JSON.stringify({ delayMs, targets })
  return (await context.start(new URL('./delay.ts', import.meta.url), [init])) as readonly number[]
}

async function freePort(): Promise<number> {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo // it listens on TCP
  await new Promise<void>((resolve) => server.close(() => resolve()))
  return port
}
