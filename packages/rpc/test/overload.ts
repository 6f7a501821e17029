/**
 * What a peer answers in time while it is offered up to ten times what it can do:
 * `node packages/rpc/test/overload.ts`. Each line is a rate, kept for four seconds.
 */
import { OverloadRun } from './overload-run.ts'

for (const method of ['at-once', 'in-line', 'elsewhere']) {
  await using run = await OverloadRun.start()
  // First what it can do at most: some calls always wait, and none is offered in vain.
  const peak = await run.peak(method, 3)
  console.log(`${method}: at most ${peak} a second`)
  for (const times of [0.5, 1, 2, 5, 10]) {
    const { goodput, ...rest } = await run.offer(method, peak * times, 4)
    console.log(`${times} times`, {
      goodput,
      ofPeak: `${Math.round((100 * goodput) / peak)} %`,
      ...rest
    })
  }
}
