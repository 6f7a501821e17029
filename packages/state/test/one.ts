import { createSimulation } from '@murmuration/testkit'
import { run } from './run.ts'
const s = createSimulation({ seed: Number(process.argv[2]), trace: true })
try { await run(s, JSON.parse(process.argv[3] ?? '{}')); console.log('passed') } catch (e) { console.log(s.trace.slice(-Number(process.argv[4] ?? 100)).join('\n')); console.log((e as Error).message) }
process.exit(0)
