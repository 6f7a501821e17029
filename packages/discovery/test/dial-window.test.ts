import { describe, expect, it } from 'vitest'
import { DialWindow } from '../src/core/dial-window.ts'

const settings = { parallelDialsStart: 4, parallelDialsMax: 32, slowHandshakeMs: 1_000 }

function peer(failures = 0, kept = true) {
  return { kept, failures }
}

/** Begins as many dials of such peers as there is room for. */
function fill(window: DialWindow, now: number, failures = 0, kept = true) {
  const begun: { kept: boolean; failures: number }[] = []
  for (;;) {
    const one = peer(failures, kept)
    if (!window.hasRoom(one)) return begun
    window.began(one, now)
    begun.push(one)
  }
}

describe('the dial window', () => {
  it('begins small and widens by one with each connection, to its bound', () => {
    const window = new DialWindow(settings)
    expect(fill(window, 0)).toHaveLength(4)
    for (let time = 1; time <= 100; time++) {
      const one = peer()
      window.began(one, time)
      window.ended(one, time, 'connected')
    }
    expect(window.size).toBe(32)
  })

  it('never exceeds the bound that the user gave', () => {
    expect(fill(new DialWindow({ ...settings, parallelDialsMax: 1 }), 0)).toHaveLength(1)
  })

  it('halves when an accepted handshake runs out of time, once for a whole burst, down to two', () => {
    const window = new DialWindow(settings)
    const sizes: number[] = []
    for (let burst = 0; burst < 3; burst++) {
      const now = burst * 20_000
      const begun = fill(window, now)
      for (const one of begun) window.ended(one, now + 15_000, 'broken')
      sizes.push(window.size)
    }
    expect(sizes).toEqual([2, 2, 2])
  })

  it('does not narrow for refused dials, for silence, and for handshakes that fail fast', () => {
    const window = new DialWindow(settings)
    for (const [result, tookMs] of [
      ['failed', 1],
      ['failed', 20_000],
      ['broken', 50]
    ] as const) {
      const one = peer()
      window.began(one, 0)
      window.ended(one, tookMs, result)
    }
    expect(window.size).toBe(4)
  })

  it('keeps room for a peer lost just now while absent ones and hints fill theirs', () => {
    const window = new DialWindow(settings)
    expect(fill(window, 0, 50)).toHaveLength(2)
    expect(fill(window, 0, 0, false)).toHaveLength(0)
    expect(fill(window, 0)).toHaveLength(4)
    window.clear()
    expect(window.hasRoom(peer(50))).toBe(true)
  })

  it('keeps a dial in its class though the peer fails meanwhile', () => {
    const window = new DialWindow(settings)
    const changing = peer(2)
    window.began(changing, 0)
    changing.failures = 3
    window.ended(changing, 1, 'failed')
    expect(fill(window, 0)).toHaveLength(4)
  })
})
