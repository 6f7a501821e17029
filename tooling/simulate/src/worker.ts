/** A process that runs chunks of seeds for `pool.ts`. */
import { folderOf, loadFolder } from './catalogue.ts'
import type { Simulated } from './catalogue.ts'
import type { Chunk, FromWorker, ToWorker } from './messages.ts'
import { explain, runSeed } from './single-run.ts'

const aliveEveryMs = 500
const loaded = new Map<string, Promise<Simulated>>()
let isStopping = false

function send(message: FromWorker): void {
  process.send?.(message)
}

async function runChunk({ name, isMutant, first, count }: Chunk): Promise<void> {
  const folder = folderOf(name)
  const loading = loaded.get(folder) ?? loadFolder(folder)
  loaded.set(folder, loading)
  const { workloads, mutants } = await loading
  const work = (isMutant ? mutants : workloads).find((one) => one.name === name)
  if (work === undefined) throw new Error(`there is no ${name}`)
  const began = process.cpuUsage()
  let told = performance.now()
  let completed = 0
  while (completed < count && !isStopping) {
    const seed = first + completed
    if (performance.now() - told > aliveEveryMs) {
      told = performance.now()
      send({ kind: 'alive', seed })
    }
    const { failure } = await runSeed(work, seed)
    completed++
    if (failure !== undefined) {
      send({ kind: 'failed', failure: isMutant ? failure : await explain(work, failure) })
      if (isMutant) break
    }
  }
  // Not the time on the wall: that of others on a busy machine says nothing of what a run costs.
  const { user, system } = process.cpuUsage(began)
  send({ kind: 'done', completed, cpuMs: (user + system) / 1000 })
}

// A stack costs more than most of what a run does; nobody reads those of expected errors.
Error.stackTraceLimit = 0

process.on('message', (message: ToWorker) => {
  if (message.kind === 'stop') isStopping = true
  else void runChunk(message.chunk)
})
// The terminal sends an interrupt to all of its processes; the parent says when to stop.
process.on('SIGINT', () => {})
process.on('SIGTERM', () => {})
process.on('disconnect', () => process.exit())
send({ kind: 'ready' })
