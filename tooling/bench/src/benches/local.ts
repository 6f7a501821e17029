import { defineAgent } from '@murmuration/agent'
import { createCluster } from '@murmuration/cluster'
import type { Cluster } from '@murmuration/cluster'
import { counter } from '@murmuration/crdt'
import { z } from 'zod'
import type { Bench, BenchResult, Cell, Promised } from '../bench.ts'

/** Microseconds that a call may cost over a plain async function, in either mode. */
const CALL_BUDGET_US = 3
/** Calls per pass; the quietest of the passes counts. */
const CALLS = 50_000
const PASSES = 7

const door = defineAgent({
  type: 'door',
  state: { opened: counter() },
  actions: {
    echo: { input: z.number(), output: z.number(), run: ({ input }) => input },
    wait: { input: z.number(), output: z.number(), run: async ({ input }) => input },
    read: { input: z.null(), output: z.number(), run: ({ state }) => state.opened.value }
  }
})

type Call = () => Promise<unknown>

/** Microseconds of this thread per call: its own time, so that a busy machine counts less. */
async function costOf(call: Call): Promise<number> {
  const passes: number[] = []
  for (let pass = 0; pass < PASSES; pass++) {
    const began = process.threadCpuUsage()
    for (let done = 0; done < CALLS; done++) await call()
    const { user, system } = process.threadCpuUsage(began)
    passes.push((user + system) / CALLS)
  }
  return Math.min(...passes)
}

async function callsOf(cluster: Cluster): Promise<Readonly<Record<string, Call>>> {
  await cluster.ready()
  const front = cluster.agent(door, 'front')
  await front.call('echo', 1)
  return {
    'a number back': () => front.call('echo', 1),
    'a number back, from an async handler': () => front.call('wait', 1),
    'a field of its state': () => front.call('read', null)
  }
}

/** A call to an agent on the same peer beside a plain async function that does the same. */
export const local: Bench = {
  name: 'local',
  summary: 'calls to an agent on the same peer beside a plain async function, in both modes',
  timeLimitMs: 120_000,
  async run(context): Promise<BenchResult> {
    const plain = async (input: number): Promise<number> => input
    const plainUs = await costOf(() => plain(1))
    const rows: Cell[][] = [['a plain async function', plainUs, 0]]
    const promises: Promised[] = []
    const figures: Record<string, number> = { plainUs }
    for (const distributed of [false, true]) {
      const mode = distributed ? 'distributed' : 'single'
      context.progress(mode)
      const cluster = await createCluster({ name: 'bench', agents: [door], distributed })
      for (const [what, call] of Object.entries(await callsOf(cluster))) {
        const overUs = (await costOf(call)) - plainUs
        rows.push([`${mode}: ${what}`, overUs + plainUs, overUs])
        figures[`${mode}: ${what}`] = overUs
      }
      const overUs = figures[`${mode}: a number back`] ?? Number.POSITIVE_INFINITY
      promises.push({
        what: `${mode}: a call costs at most ${CALL_BUDGET_US} µs more than a plain one`,
        kept: overUs <= CALL_BUDGET_US
      })
      await cluster.stop()
    }
    const title = `µs of CPU per call, ${CALLS} calls one after the other, best of ${PASSES}`
    const columns = ['', 'µs', 'over a plain function']
    return { tables: [{ title, columns, rows }], figures, promises }
  }
}
