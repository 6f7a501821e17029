import { createSimulation } from '/work/wt/membership/packages/testkit/src/index.ts'
import { standardRules } from '/work/wt/membership/packages/membership/src/core/rules.ts'
import * as leases from '/work/wt/membership/packages/membership/test/leases.ts'
import * as operators from './test/operators.ts'
import * as faults from './test/faults.ts'
import * as duels from './test/duels.ts'
import { edgesOf } from '/work/wt/membership/packages/membership/src/core/edges.ts'
const [name, from, count, mutant] = process.argv.slice(2)
const changes = {
  none: {},
  verify: { verifiesDecisions: false },
  step: { forcedStep: 1 },
  doubts: { doubtsItself: false },
  sending: { countsFromSending: false },
  ends: { endsGrant: (v, h) => v.members.every(({ peer }) => peer !== h) },
  remembers: { remembersGrants: false },
  waits: { waitsForLeases: false },
  observers: {
    grantersOf: (v, h) => [...new Set(edgesOf(v).observersOf(h)), h],
    isLeaseMajority: (v, h, g) => {
      const o = [...new Set(edgesOf(v).observersOf(h))]
      return 2 * o.filter((x) => g.has(x)).length > o.length
    }
  }
}
const t0 = process.cpuUsage()
let killed = 0
const first = []
for (let seed = +from; seed < +from + +count; seed++) {
  const simulation = createSimulation({ seed })
  try {
    await { ...leases, ...operators, ...faults, ...duels }[name]({
      simulation,
      rules: { ...standardRules, ...changes[mutant ?? 'none'] }
    })
  } catch (e) {
    killed++
    if (first.length < 4) first.push(seed + ': ' + String(e.message).split('\n')[0])
  }
}
console.log(
  name,
  mutant,
  'killed',
  killed,
  'of',
  count,
  (process.cpuUsage(t0).user / 1000 / +count).toFixed(1),
  'CPU ms per run',
  first
)
