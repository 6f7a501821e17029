import { describe, expect, it } from 'vitest'
import { load, median } from '../src/load.ts'
import { benches } from '../src/registry.ts'
import { formatTable } from '../src/table.ts'

describe('the benches', () => {
  it('have names of their own and a limit in time', () => {
    expect(new Set(benches.map(({ name }) => name)).size).toBe(benches.length)
    for (const { timeLimitMs } of benches) expect(timeLimitMs).toBeLessThanOrEqual(300_000)
  })

  it('count what was called, with as many under way as asked for', async () => {
    let underWay = 0
    let most = 0
    const { calls, p50, p99 } = await load(
      async () => {
        most = Math.max(most, ++underWay)
        await new Promise((resolve) => setImmediate(resolve))
        underWay--
      },
      4,
      0.05
    )
    expect(most).toBe(4)
    expect(calls).toBeGreaterThan(4)
    expect(p50).toBeLessThanOrEqual(p99)
  })

  it('take the middle of several rounds', () => {
    expect(median([3, 1, 2])).toBe(2)
    expect(median([4, 1, 2, 3])).toBe(2.5)
  })

  it('print numbers to the right', () => {
    const table = {
      title: 'T',
      columns: ['', 'n'],
      rows: [
        ['a', 12_345.6],
        ['bb', 1.234]
      ]
    }
    expect(formatTable(table)).toBe('T\n\n         n\na   12,346\nbb    1.23')
  })
})
