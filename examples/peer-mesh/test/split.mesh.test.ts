import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, it } from 'vitest'
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
