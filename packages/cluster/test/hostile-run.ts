/**
 * The long form of the hostile suite: 100,000 frames of rubbish on every protocol, a million valid
 * envelopes of unknown keys. `node --expose-gc packages/cluster/test/hostile-run.ts [frames] [envelopes] [seed]`
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { unknownEnvelopes } from './hostile.ts'
import { fuzzEverything, Victim } from './victim-process.ts'

const [frames = 100_000, envelopes = 1_000_000, seed = Date.now() % 1e9] = process.argv
  .slice(2)
  .map(Number)
const folder = mkdtempSync(join(tmpdir(), 'hostile-'))
const victim = await Victim.start(folder)
console.log(`seed ${seed}`)
const { sent, protocols, stallMs, rssMb } = await fuzzEverything(victim, frames, seed)
console.log({ sent, protocols, stallMs, rssMb })
await victim.stop()
rmSync(folder, { recursive: true, force: true })
console.log(await unknownEnvelopes(envelopes))
