import { execFileSync } from 'node:child_process'
import { writeFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { makeFeed } from './expected.ts'
import { expectExact, expectNothingLost, fileOf, folder, readReport } from './reports.ts'
import { runMesh } from './run-mesh.ts'

describe('the mesh with a feed', () => {
  it('loses and doubles nothing when the peer is killed by which all others came in', async () => {
    await expectNothingLost(1)
  })

  it('hands over what a stopping peer has', async () => {
    const feed = makeFeed(1_500, 50, 7)
    const report = join(folder, 'stop.json')
    const run = await runMesh(['--feed', fileOf(feed), '--stop', '4@30%', '--report', report])
    expect(run.code, run.stderr).toBe(0)
    expect(run.stderr).toContain('peer 4 has stopped')
    expectExact(readReport(report), feed)
  })

  it('goes on from its data at a second start', async () => {
    const feed = makeFeed(600, 20, 3)
    const data = join(folder, 'data')
    const path = fileOf(feed)
    const first = await runMesh(['--feed', path, '--data', data, '--kill', '5@60%', '--peers', '5'])
    expect(first.code, first.stderr).toBe(0)
    const report = join(folder, 'again.json')
    const second = await runMesh(['--feed', path, '--data', data, '--report', report])
    expect(second.code, second.stderr).toBe(0)
    expectExact(readReport(report), feed, 2n)
  })

  it('reads standard input, reports bad lines and goes on', async () => {
    const feed = makeFeed(500, 10, 9)
    const bad = 'not json\n{"device":"d","metric":"m","value":"x","time":1}\n'
    const report = join(folder, 'bad.json')
    const run = await runMesh(['--feed', '-', '--peers', '3', '--report', report], bad + feed)
    expect(run.code, run.stderr).toBe(0)
    const read = readReport(report)
    expectExact(read, feed)
    expect(read.updates.rejected).toBe(2)
    expect(read.errors.map(({ line }) => line)).toEqual([1, 2])
  })

  it('reads a named pipe, which can be read only once', async () => {
    const feed = makeFeed(300, 10, 11)
    const pipe = join(folder, 'pipe')
    execFileSync('mkfifo', [pipe])
    const report = join(folder, 'pipe.json')
    const writing = writeFile(pipe, feed)
    const run = await runMesh(['--feed', pipe, '--peers', '1', '--report', report])
    await writing
    expect(run.code, run.stderr).toBe(0)
    expectExact(readReport(report), feed)
  })

  it('reports what was applied of a feed that is cut short', async () => {
    const report = join(folder, 'cut.json')
    const args = [
      '--feed',
      fileOf(makeFeed(500_000, 50, 5)),
      '--peers',
      '1',
      '--seconds',
      '3',
      '--report',
      report
    ]
    const run = await runMesh(args)
    expect(run.code).toBe(1)
    const { updates, devices, errors } = readReport(report)
    const counted = Object.values(devices).reduce((sum, { count }) => sum + count, 0)
    expect(updates.acknowledged).toBeGreaterThan(0)
    expect(counted).toBeGreaterThanOrEqual(updates.acknowledged)
    expect(errors.map(({ reason }) => reason)).toContain(
      'the run ended before the whole feed was applied'
    )
  })

  it('says with exit code 1 when a kill came too late', async () => {
    const run = await runMesh([
      '--feed',
      fileOf(makeFeed(50, 5, 1)),
      '--peers',
      '3',
      '--kill',
      '2@100s'
    ])
    expect(run.code).toBe(1)
    expect(run.stderr).toContain('--kill of peer 2 did not happen before the end')
  })
})

describe('the mesh refuses what it cannot do, with one sentence and exit code 2', () => {
  const cases: readonly (readonly [name: string, args: readonly string[]])[] = [
    ['a feed that is not there', ['--feed', join(folder, 'nowhere.ndjson')]],
    ['a feed that is a directory', ['--feed', folder]],
    ['a report that cannot be written', ['--feed', '-', '--report', join(folder, 'no', 'x.json')]],
    ['an unknown option', ['--frobnicate']],
    ['a peer that is not there', ['--kill', '9@1s']]
  ]
  it.each(cases)('%s', async (_name, args) => {
    const run = await runMesh(args)
    expect(run.code).toBe(2)
    expect(run.stderr.trim()).toMatch(/^[^\n]+\.$/)
  })

  it('a port that is taken', async () => {
    const server = createServer()
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    const { port } = server.address() as AddressInfo // it listens on TCP
    const run = await runMesh(['--dashboard', String(port)])
    server.close()
    expect(run.code).toBe(2)
    expect(run.stderr.trim()).toBe(`--dashboard ${port}: the port is taken.`)
  })
})

describe('the live mesh', () => {
  it('watches the machine for as long as it is told, and ends by itself', async () => {
    // As users start it: without the bundles by which other tests start its processes.
    const asUsersDo = { ...process.env, NODE_OPTIONS: '' }
    const live = ['--peers', '3', '--seconds', '5', '--dashboard', '0']
    const run = await runMesh(live, undefined, asUsersDo)
    expect(run.code, run.stderr).toBe(0)
    expect(run.stderr).toMatch(/the mesh as a picture: http:\/\/127\.0\.0\.1:\d+\//)
    expect(run.stdout).toContain('3 peers')
  })
})
