import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { expect, it } from 'vitest'

const main = fileURLToPath(new URL('../src/main.ts', import.meta.url))

it('reports its readings from a heap of 64 MB, and measures what that costs', async () => {
  const { stdout } = await promisify(execFile)(process.execPath, [main, '2'])
  const measured = JSON.parse(stdout) as Record<string, number>
  console.log(stdout.trim())
  expect(measured).toMatchObject({ acknowledged: 2, readings: 2, copies: 2 })
  expect(measured.heapMb).toBeLessThan(64)
  expect(measured.kilobytesIn).toBeGreaterThan(0)
})
