import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import type { SplitView } from '../src/dashboard/splits.ts'
import { runMesh } from './run-mesh.ts'

it('shows a split: one side goes on, the other pauses, and all come together again', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'mesh-split-'))
  try {
    const run = await runMesh([
      '--peers',
      '3',
      '--split',
      '1,2|3@1s-13s',
      '--seconds',
      '24',
      '--dashboard',
      'off',
      '--report',
      join(folder, 'report.json')
    ])
    expect(run.code, run.stderr).toBe(0)
    expect(run.stderr).toContain('split 1,2 | 3 for 12000 ms')
    expect(run.stderr).toContain('peer 3 is cut off from the majority')
    expect(run.stderr).toContain('peer 3 pauses')
    expect(run.stderr).toContain('split 1,2 | 3 is healed')
    expect(run.stderr.split('is healed')[1]).toContain('peer 3 reaches every member again')
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}, 180_000)

it('shows a split in which both sides go on, and what became of it', async () => {
  let page: Promise<string> | undefined
  let data: Promise<SplitView[]> | undefined
  // As soon as the mesh says that something is merged, its page has to tell of it.
  const look = (stderr: string): void => {
    const url = /http:\/\/127\.0\.0\.1:\d+\//.exec(stderr)?.[0]
    if (page !== undefined || url === undefined || !stderr.includes('agents are merged')) return
    page = fetch(new URL('splits', url)).then((response) => response.text())
    data = fetch(new URL('splits.json', url)).then(
      (response) => response.json() as Promise<SplitView[]> // of the server in this package
    )
  }
  const args = [
    '--peers',
    '4',
    '--split',
    '1,2|3,4@1s-26s',
    '--on-split',
    'continue-all',
    '--seconds',
    '42',
    '--dashboard',
    '0'
  ]
  const run = await runMesh(args, undefined, process.env, look)
  expect(run.code, run.stderr).toBe(0)
  expect(run.stderr).not.toContain('pauses')
  expect(run.stderr.split('is healed')[1]).toMatch(
    /peer \d went on by itself for \d+\.\d s: [1-9]\d* agents are merged/
  )
  const [view] = (await data) ?? []
  expect(view?.seconds).toBeGreaterThan(5)
  expect([
    [1, 2],
    [3, 4]
  ]).toContainEqual(view?.side)
  expect(view?.side).toContain(view?.peer)
  expect(view?.merged.length).toBeGreaterThan(0)
  for (const { updates, owner } of view?.merged ?? []) {
    expect(updates).toBeGreaterThan(0)
    expect([1, 2, 3, 4]).toContain(owner)
  }
  const text = (await page) ?? ''
  expect(text).toContain(`Peer ${view?.peer}, on the side of ${view?.side.join(', ')}`)
  for (const { id } of view?.merged ?? []) expect(text).toContain(id)
}, 180_000)
