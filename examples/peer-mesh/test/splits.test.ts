import { describe, expect, it } from 'vitest'
import { Chronicle, MERGES_KEPT } from '../src/chronicle.ts'
import type { Merge } from '../src/chronicle.ts'
import { startDashboard } from '../src/dashboard/server.ts'
import { splitsPage, viewsOf } from '../src/dashboard/splits.ts'
import { Mesh } from '../src/mesh.ts'
import { parseOptions } from '../src/options.ts'

const at = Date.UTC(2026, 0, 2, 3, 4, 5)
const numbers: Record<string, number> = { one: 1, two: 2, three: 3 }
const indexOf = (peer: string | undefined): number | null => numbers[peer ?? ''] ?? null

const merge = (index: number, beganMs = 0): Merge => ({
  kind: 'merged',
  index,
  began: at + beganMs,
  ended: at + beganMs + 61_500,
  durationMs: 61_500,
  members: ['three', 'two'],
  agents: 3,
  both: 1,
  conflicts: 1,
  examples: [
    {
      id: 'default/device/<script>',
      updates: 7,
      elsewhere: 4,
      sides: 'both',
      conflicts: ['chief', 'late'],
      diverged: [{ field: 'chief', here: ['"ann"'], there: ['"bob"', '"<b>"'] }],
      owner: 'one'
    },
    {
      id: 'default/device/y',
      updates: 2,
      elsewhere: 0,
      sides: 'this',
      conflicts: [],
      diverged: [],
      owner: 'gone'
    }
  ]
})

describe('the page of splits', () => {
  it('tells of each agent what diverged, the values of each side, the owner now and how long', () => {
    const [view] = viewsOf([merge(2)], indexOf)
    expect(view).toEqual({
      peer: 2,
      side: [2, 3],
      began: '2026-01-02T03:04:05.000Z',
      ended: '2026-01-02T03:05:06.500Z',
      seconds: 61.5,
      agents: 3,
      both: 1,
      conflicts: 1,
      merged: [
        {
          id: 'default/device/<script>',
          changedBy: 'several sides',
          updates: 7,
          elsewhere: 4,
          owner: 1,
          fields: [
            { field: 'chief', here: ['"ann"'], there: ['"bob"', '"<b>"'] },
            { field: 'late', here: [], there: [] }
          ]
        },
        {
          id: 'default/device/y',
          changedBy: 'this side',
          updates: 2,
          elsewhere: 0,
          owner: null,
          fields: []
        }
      ]
    })
    const page = splitsPage(viewsOf([merge(2)], indexOf))
    expect(page).toContain('Peer 2, on the side of 2, 3')
    expect(page).toContain('61.5 s')
    expect(page).toContain(
      'chief: here &#34;ann&#34;, elsewhere &#34;bob&#34; or &#34;&#60;b&#62;&#34;'
    )
    expect(page).toContain('late: here nothing, elsewhere nothing')
    expect(page).toContain('<td>peer 1')
    expect(page).toContain('<td>not known')
    expect(page).toContain('And 1 more.')
    expect(page).not.toContain('<script>')
    expect(page).not.toContain('<b>')
  })

  it('has several splits, the latest first, and no more than so many', () => {
    const chronicle = new Chronicle(() => {})
    for (let split = 0; split < MERGES_KEPT + 5; split++) {
      chronicle.merged(merge(1 + (split % 3), split * 100_000))
    }
    const views = viewsOf(chronicle.merges, indexOf)
    expect(views).toHaveLength(MERGES_KEPT)
    const began = views.map((view) => view.began)
    expect(began).toEqual(began.toSorted().toReversed())
    expect(Date.parse(began[0] ?? '')).toBe(at + (MERGES_KEPT + 4) * 100_000)
    expect(splitsPage(views).match(/<section>/g)).toHaveLength(MERGES_KEPT)
  })

  it('is served before and after there was a split', async () => {
    const dashboard = await startDashboard(new Mesh(parseOptions([])), 0)
    try {
      const page = await fetch(new URL('splits', dashboard.url))
      expect(page.headers.get('content-type')).toContain('text/html')
      expect(await page.text()).toContain('No side of a split went on by itself so far.')
      const data = await fetch(new URL('splits.json', dashboard.url))
      expect(await data.json()).toEqual([])
    } finally {
      await dashboard.close()
    }
  })
})
