import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { makeFeed } from './expected.ts'
import { expectExact, expectNothingLost, fileOf, folder, readReport } from './reports.ts'
import { runMesh } from './run-mesh.ts'

describe('the mesh with a feed', () => {
  for (const peer of [2, 3, 4, 5]) {
    it(`loses and doubles nothing when peer ${peer} of 5 is killed in the middle`, async () => {
      await expectNothingLost(peer)
    })
  }

  it('survives two kills one after the other, with a pause of a third peer in between', async () => {
    const feed = makeFeed(3_000, 100, 42)
    const report = join(folder, 'two.json')
    const faults = ['--kill', '2@20%', '--pause', '4@50%+3s', '--kill', '3@80%']
    const run = await runMesh(['--feed', fileOf(feed), ...faults, '--report', report])
    expect(run.code, run.stderr).toBe(0)
    expectExact(readReport(report), feed)
  })
})
