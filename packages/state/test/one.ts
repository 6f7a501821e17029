import { createSimulation } from '@murmuration/testkit'
import { run, runs } from './run.ts'
const s = createSimulation({ seed: Number(process.argv[2]), trace: true, diskMs: [0.05, 6] })
try {
  await run(s, JSON.parse(process.argv[3] ?? '{}'))
  console.log('passed')
} catch (e) {
  console.log(s.trace.slice(-Number(process.argv[4] ?? 100)).join('\n'))
  console.log((e as Error).message)
}
const w = runs.at(-1)!.world
for (const p of w.peers) {
  const st = p.state as any
  if (!st) {
    console.log(p.name, 'down')
    continue
  }
  console.log(
    p.name,
    p.disk.incarnation,
    'view',
    p.disk.view,
    'settled',
    p.disk.settled,
    JSON.stringify(st.stats())
  )
  const c = {coverage:{},table:new Map()}
  console.log(
    '  round',
    c.coverage.round?.view.number,
    c.coverage.round?.unsettled.map((v: any) => v.number).join(),
    [...(c.coverage.round?.collected ?? [])].join(' ')
  )
  for (const h of c.table.values())
    console.log(
      '  ',
      h.id,
      h.copy.digestAsText,
      'entries',
      [...h.copy.entries()]
        .map((e: any) => e.key + '@' + e.stamp.view + '.' + e.stamp.boot)
        .join(' '),
      'floors',
      JSON.stringify(h.copy.state().floors),
      'damaged',
      h.damaged,
      h.tenure
        ? 'tenure ' +
            JSON.stringify({
              e: h.tenure.epoch,
              safe: h.tenure.replication.safe,
              unconf: h.tenure.replication.unconfirmed,
              t: [...h.tenure.replication.targets].map(
                (t: any) => t.key + ':' + t.mode + ':' + t.queue.length
              )
            })
        : c.coverage.missing(h.copy.record)
    )
}
process.exit(0)
