import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { generateKeyPair } from '@libp2p/crypto/keys'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import {
  babble,
  babbleInside,
  plainStranger,
  rogue,
  slowLoris,
  wrongCertificate
} from './hostile.ts'
import type { Attack } from './hostile.ts'
import { floodWithUnknown, fuzzEverything, Victim } from './victim-process.ts'

const folder = mkdtempSync(join(tmpdir(), 'cluster-hostile-'))
let victim: Victim
let attack: Attack

beforeAll(async () => {
  victim = await Victim.start(folder)
  attack = victim.attack
})
afterAll(async () => {
  await victim.stop()
  rmSync(folder, { recursive: true, force: true })
})

describe('a peer under attack', () => {
  it('serves no stranger: plain nodes, another root key, another cluster, an expired certificate', async () => {
    const other = await generateKeyPair('Ed25519')
    const served = await Promise.all([
      plainStranger(attack),
      wrongCertificate(attack, { rootKey: other }),
      wrongCertificate(attack, { cluster: 'other-fort' }),
      wrongCertificate(attack, { ageMs: 3_600_000 })
    ])
    expect(served).toEqual([false, false, false, false])
    expect((await victim.report()).connected).toEqual([])
  })

  it('takes in members while 200 connections dawdle in the handshake', async () => {
    const end = slowLoris(attack.addresses[0] ?? '', 200)
    await new Promise((resolve) => setTimeout(resolve, 500))
    const from = performance.now()
    const member = await rogue(attack)
    expect(performance.now() - from).toBeLessThan(5_000)
    await member.stop()
    end()
    expect((await victim.report()).count).toBeGreaterThan(0)
  })

  it('stands still for no stranger that says a length without an end, or many words, however much', async () => {
    const address = attack.addresses[0] ?? ''
    const endless = new Uint8Array(400_000).fill(0x81)
    const header = new TextEncoder().encode('\x13/multistream/1.0.0\n')
    const words = new Uint8Array(300_000).map((_, index) => [2, 0x78, 0x0a][index % 3] ?? 0)
    for (const bytes of [endless, Buffer.concat([header, endless]), words]) {
      await victim.reset()
      expect(await babble(address, bytes)).toBe(true)
      expect((await victim.report()).stallMs).toBeLessThan(50)
    }
    await victim.reset()
    await babbleInside(address, endless)
    expect((await victim.report()).stallMs).toBeLessThan(50)
  })

  it('lives through rubbish on every protocol', async () => {
    const { sent, protocols, stalls, stallMs, rssMb, count } = await fuzzEverything(
      victim,
      2_000,
      20_261
    )
    console.log(
      `${sent} frames of rubbish on ${protocols.length} protocols: ` +
        `longest stall ${stallMs.toFixed(0)} ms, ${rssMb.toFixed(0)} MB`
    )
    expect(protocols.length).toBeGreaterThanOrEqual(6)
    expect(sent).toBeGreaterThan(1_700)
    expect(count).toBeGreaterThan(0)
    expect(rssMb).toBeLessThan(400)
    expect([...stalls].filter(([, ms]) => ms >= 50)).toEqual([])
  })

  it('keeps its memory under valid envelopes of unknown keys', async () => {
    await victim.reset()
    const { sent, taken, growthMb, stallMs, revoked } = await floodWithUnknown(
      victim,
      4_000,
      30_000
    )
    console.log(
      `${sent} envelopes of unknown keys: ${growthMb.toFixed(0)} MB more, ` +
        `longest stall ${stallMs.toFixed(0)} ms`
    )
    expect(sent).toBeGreaterThanOrEqual(1_000)
    expect(taken).toBe(0)
    expect(revoked).toBe(0)
    expect(growthMb).toBeLessThan(40)
    expect(stallMs).toBeLessThan(50)
  })
})
