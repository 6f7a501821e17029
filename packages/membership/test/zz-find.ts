import { mutants } from '/work/main/packages/membership/test/mutants.ts'
import { runFaults } from '/work/main/packages/membership/test/faults.ts'
const from = Number(process.argv[2]), to = Number(process.argv[3]); const which = process.argv[4]
for (const [name, rules] of Object.entries(mutants)) {
  if (which && !name.includes(which)) continue
  const t = Date.now(); let killed
  for (let seed = from; seed < to; seed++) {
    try { await runFaults({ seed, rules, isRough: true, gapMs: Number(process.argv[5] ?? 250), faultsMs: 6000, delayMaxMs: Number(process.argv[6] ?? 150) }) } catch (e) { if (/two views|back to/.test(e.message)) { killed = [seed, e.message.slice(0, 100)]; break } }
  }
  console.log(name, killed, Date.now() - t, 'ms')
}
