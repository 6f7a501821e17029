import { describe, expect, it } from 'vitest'
import { runDurability } from '../src/durability.ts'
import { NamespaceNetwork, whyNoNamespaces } from '../src/namespaces.ts'
import { ProxyNetwork } from '../src/network.ts'
import { runScenario } from '../src/run.ts'
import { scenarios } from '../src/scenarios.ts'

/*
 * A smoke of `pnpm chaos`: real processes, one split and one loss of every disk in turn. What was
 * promised of data must hold; times are for a machine that does nothing else.
 */

const progress = (text: string): void => console.log(text)

describe('a cluster of real processes', () => {
  it('keeps what it acknowledged through a split, and one side of it pauses', async () => {
    const missing = await whyNoNamespaces()
    if (missing !== undefined) console.log(`${missing}: the links are proxies on loopback`)
    const network = missing === undefined ? new NamespaceNetwork() : new ProxyNetwork()
    const scenario = scenarios.find(({ name }) => name === 'split-one')
    if (scenario === undefined) throw new Error('no such scenario')
    const report = await runScenario({
      scenario: { ...scenario, servedAgainMs: undefined },
      network,
      peers: 3,
      keys: 2,
      paceMs: 100,
      progress
    })
    expect(report.reasons.filter((reason) => !reason.includes('before the fault'))).toEqual([])
    expect(report.findings).toMatchObject({ lost: [], doubled: [], resurrected: [], unequal: [] })
    expect(report.operations.ok).toBeGreaterThan(100)
  }, 180_000)

  it('loses nothing when every peer in turn is killed and its disk wiped, over proxies', async () => {
    const network = new ProxyNetwork()
    const report = await runDurability({ network, peers: 3, updates: 300, progress })
    expect(report.lost).toEqual([])
    expect(report.doubled).toEqual([])
    expect(report.wiped).toEqual([1, 2, 3])
    expect(report.acknowledged).toBeGreaterThanOrEqual(300)
  }, 240_000)
})
