import type { MergeReport } from '@murmuration/interface'
import { createSimulation } from '@murmuration/testkit'
import { expect, it } from 'vitest'
import { MergeReports } from '../src/merge-report.ts'
import type { MergeReportComponents } from '../src/merge-report.ts'

it('tells of a side though an owner of some agents cannot answer for long', async () => {
  const simulation = createSimulation({ seed: 1 })
  const { clock } = simulation.node('a')
  const asked = { now: 0, most: 0 }
  const slow = {
    // Each owner takes 5 s, as long as a read waits for enough copies.
    read: async () => {
      asked.most = Math.max(asked.most, ++asked.now)
      await new Promise<void>((resolve) => clock.schedule(5_000, resolve))
      asked.now--
      const document = { conflicts: () => [] }
      return { epoch: { view: 2, boot: 1 }, document, version: {}, includes: () => true }
    },
    placement: () => undefined
  }
  const state = Object.assign(new EventTarget(), slow)
  let told = 0
  const events = new EventTarget()
  const partition = Object.assign(events, {
    safeDispatchEvent: (_: string, { detail }: { readonly detail: MergeReport }) => {
      told = detail.agents.length
    }
  })
  const components = { state, partition, clock, log: () => {} }
  // Of state and partition only what is looked at is there.
  const reports = new MergeReports(components as unknown as MergeReportComponents)
  reports.start()
  const branch = (status: 'begun' | 'ended'): void => {
    const detail = { branch: 'b', members: ['a'], status }
    partition.dispatchEvent(new CustomEvent('branch', { detail }))
  }
  branch('begun')
  for (let index = 0; index < 20; index++) {
    const detail = { branch: 'b', record: { id: `x/${index}` }, updates: 1, version: {} }
    state.dispatchEvent(new CustomEvent('branched', { detail }))
  }
  branch('ended')
  expect(await simulation.until(() => told === 20, 16_000)).toBe(true)
  expect(asked.most).toBe(8)
  reports.stop()
})
