import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { expect, it } from 'vitest'

const main = fileURLToPath(new URL('../src/main.ts', import.meta.url))

it('reports its readings from a heap of 64 MB, runs its own agent, and measures what that costs', async () => {
  const { stdout } = await promisify(execFile)(process.execPath, [main, '2'])
  const measured = JSON.parse(stdout) as Record<string, number | string>
  console.log(stdout.trim())
  expect(measured).toMatchObject({ acknowledged: 2, readings: 2, copies: 2 })
  // Two changes by itself and one from a member; the members keep them when it has gone.
  expect(measured).toMatchObject({ ownChanges: 3, ownCopies: 2, called: 1, kept: 3 })
  expect(measured.gone).toMatch(/UnavailableError$/)
  expect(measured.heapMb).toBeLessThan(64)
  expect(measured.kilobytesIn).toBeGreaterThan(0)
})
