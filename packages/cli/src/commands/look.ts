import type { Arguments } from '../arguments.ts'
import { operand, UsageError } from '../arguments.ts'
import { visit } from '../entry.ts'
import { namedAgent } from '../named-agent.ts'
import { table } from '../output.ts'
import type { Output } from '../output.ts'

/** Who is in the view, as a member tells it. */
export async function members(args: Arguments, output: Output): Promise<void> {
  await visit(args, 'guest', [], async (cluster) => {
    const { view } = cluster
    const rows = cluster.members().map(({ peer, labels, weight, addresses }) => ({
      peer,
      labels,
      weight,
      addresses
    }))
    const lines = rows.map(({ peer, labels, weight, addresses }) => [
      peer,
      Object.entries(labels)
        .map(([key, value]) => `${key}=${value}`)
        .join(','),
      String(weight),
      addresses[0] ?? ''
    ])
    const head = ['PEER', 'LABELS', 'WEIGHT', 'ADDRESS']
    output.data({ view: view?.number, members: rows }, table([head, ...lines]))
    output.note(`view ${view?.number ?? 'none'}, ${rows.length} members`)
  })
}

/** What the peers offer, and who did not say. */
export async function actions(args: Arguments, output: Output): Promise<void> {
  await visit(args, 'guest', [], async (cluster) => {
    const { answers = [], silent = [] } = (await cluster.discovery?.actions()) ?? {}
    const lines = answers.map(({ name, version, peers, disagreeing, description }) => [
      name,
      version,
      String(peers.length),
      disagreeing === undefined ? (description ?? '') : 'peers disagree about its input'
    ])
    const head = ['ACTION', 'VERSION', 'PEERS', '']
    output.data({ actions: answers, silent }, table([head, ...lines]))
    if (silent.length > 0) output.note(`silent: ${silent.join(' ')}`)
  })
}

/** Where an agent runs. */
export async function whoOwns(args: Arguments, output: Output): Promise<void> {
  const { type, key } = namedAgent(operand(args, 0, 'AGENT'))
  await visit(args, 'guest', [type], async (cluster) => {
    const found = await cluster.registry.find(cluster.agent(type, key).id)
    output.data(found, JSON.stringify(found))
  })
}

/** Signals as they come. */
export async function watch(args: Arguments, output: Output): Promise<void> {
  const pattern = args.operands[0] ?? '**'
  const count = args.values.count === undefined ? Infinity : Number(args.values.count)
  if (!(count > 0)) throw new UsageError('--count must be above 0')
  await visit(args, 'edge', [], async (cluster) => {
    output.note(`watching ${pattern}`)
    let seen = 0
    await new Promise<void>((resolve) => {
      cluster.signals.subscribe(pattern, (signal) => {
        output.data(signal, `${signal.type} ${JSON.stringify(signal.data ?? null)}`)
        if (++seen >= count) resolve()
      })
      process.once('SIGINT', () => resolve())
    })
  })
}
