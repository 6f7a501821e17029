import { createSimulation } from '@murmuration/testkit'
import { runClaims } from './claims.ts'
const [, , mutant, from = '1', to = '10'] = process.argv
for (let seed = Number(from); seed <= Number(to); seed++) {
  const simulation = createSimulation({ seed, trace: process.env.TRACE === "1" })
  const mutants = Object.fromEntries((mutant ?? '').split(',').filter(Boolean).map((m) => [m, true]))
  try { console.log(seed, JSON.stringify(await runClaims(simulation, mutants))) }
  catch (e) { console.log(seed, String(e)) }
  if (process.env.TRACE === "1") console.log(simulation.trace.join("\n"))
}
