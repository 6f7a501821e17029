import { mutants } from './mutants.ts'
import { runDuels } from './duels.ts'
import { standardRules } from '../src/core/rules.ts'
const from = Number(process.argv[2]),
  to = Number(process.argv[3])
const which = process.argv[4]
for (const [name, rules] of [...Object.entries(mutants), ['standard', standardRules]] as const) {
  if (which && !name.includes(which)) continue
  const t = Date.now()
  let killed: unknown
  let seed = from
  for (; seed < to; seed++) {
    try {
      await runDuels({
        seed,
        rules,
        split: name.includes('promises') ? 0.1 : 0.7,
        wiped: name.includes('wiped') ? 0.5 : name === 'standard' ? 0.3 : 0
      })
    } catch (e) {
      killed = [seed, String(e).slice(0, 100)]
      break
    }
  }
  console.log(name, killed, Date.now() - t, 'ms', seed - from)
}
