/**
 * Time to rank all slots, evenness, and look-ups per second. Run with
 * `node packages/placement/test/placement.bench.ts`.
 */
import { createPlacement } from '../src/index.ts'
import { agents, member, peers, view } from './views.ts'

for (const [count, slots, zones] of [
  [10, 16_384, 0],
  [100, 16_384, 0],
  [100, 16_384, 3],
  [1000, 65_536, 0]
] as const) {
  const members = peers(count).map(({ peer }, index) =>
    zones === 0 ? member(peer) : member(peer, { zone: `zone-${index % zones}` })
  )
  const start = performance.now()
  const placement = createPlacement(view(members, slots))
  const owners = new Map<string, number>()
  for (let slot = 0; slot < slots; slot += 1) {
    const owner = placement.homeOfSlot(slot, 3)[0]?.peer ?? ''
    owners.set(owner, (owners.get(owner) ?? 0) + 1)
  }
  const elapsed = performance.now() - start
  const busiest = Math.max(...owners.values()) / (slots / count)
  console.log(
    `${count} members, ${slots} slots, ${zones} zones: ${elapsed.toFixed(0)} ms, ` +
      `busiest member ${busiest.toFixed(2)} times the mean`
  )
}

const placement = createPlacement(view(peers(100)))
const all = agents(20_000)
let found = 0
for (let round = 0; round < 3; round += 1) {
  const start = performance.now()
  for (let repeat = 0; repeat < 50; repeat += 1) {
    for (const agent of all) {
      found += placement.homeOf(agent).length
    }
  }
  const millions = (50 * all.length) / (performance.now() - start) / 1000
  console.log(`homeOf: ${millions.toFixed(1)} million per second (${found})`)
}
