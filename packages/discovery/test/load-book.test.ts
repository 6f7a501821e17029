import { expect, it } from 'vitest'
import { LoadBook, twoOf } from '../src/core/load-book.ts'
import { createSeededRandom } from './virtual-time.ts'

const settings = { freshMs: 1_000, latencyBaseMs: 5, pickLoad: 0.02, peersMax: 16 }

it('spreads work evenly though reports are a second old, and away from slow and far peers', () => {
  const random = createSeededRandom(11)
  const book = new LoadBook(settings)
  const peers = Array.from({ length: 10 }, (_, index) => `p${index}`)
  // p8 works ten times slower, p9 is 100 ms away; each finishes 10 (p8: 1) pieces of work a tick.
  const waiting = new Map(peers.map((peer) => [peer, 0]))
  const done = new Map(peers.map((peer) => [peer, 0]))
  for (let tick = 0; tick < 200; tick++) {
    for (const peer of peers) {
      book.observe(peer, (waiting.get(peer) ?? 0) / 50, peer === 'p9' ? 100 : 1, tick * 1_000)
    }
    for (let work = 0; work < 70; work++) {
      const [one = '', other = ''] = twoOf(peers, random)
      const best = book.score(one) <= book.score(other) ? one : other
      book.picked(best)
      waiting.set(best, (waiting.get(best) ?? 0) + 1)
    }
    for (const peer of peers) {
      const finished = Math.min(waiting.get(peer) ?? 0, peer === 'p8' ? 1 : 10)
      waiting.set(peer, (waiting.get(peer) ?? 0) - finished)
      done.set(peer, (done.get(peer) ?? 0) + finished)
    }
  }
  const near = peers.slice(0, 8).map((peer) => done.get(peer) ?? 0)
  const mean = near.reduce((sum, one) => sum + one) / near.length
  expect(Math.max(...near) / mean).toBeLessThan(1.1)
  expect(done.get('p9') ?? 0).toBeLessThan(mean * 0.2)
  // Only the pair of the slow and the far one, one of 45 pairs, leaves no good choice.
  expect(Math.max(...waiting.values())).toBeLessThan((200 * 70) / 45)
})

it('knows nothing of a peer as the worst, forgets the oldest, and lets reports age', () => {
  const book = new LoadBook({ ...settings, peersMax: 2 })
  book.observe('a', 0, 1, 0)
  book.observe('b', 3, 1, 500)
  expect(book.score('a')).toBeLessThan(book.score('b'))
  expect(book.score('c')).toBe(Number.POSITIVE_INFINITY)
  expect([book.isFresh('a', 1_001), book.isFresh('b', 1_001)]).toEqual([false, true])
  book.observe('c', 0, 1, 600)
  expect(book.score('a')).toBe(Number.POSITIVE_INFINITY)
})

it('takes two different ones, each pair alike', () => {
  const random = createSeededRandom(5)
  const counts = new Map<string, number>()
  for (let round = 0; round < 6_000; round++) {
    const pair = twoOf(['a', 'b', 'c'], random).toSorted().join('')
    counts.set(pair, (counts.get(pair) ?? 0) + 1)
  }
  expect([...counts.keys()].toSorted()).toEqual(['ab', 'ac', 'bc'])
  for (const count of counts.values()) expect(Math.abs(count - 2_000)).toBeLessThan(200)
  expect(twoOf(['a'], random)).toEqual(['a'])
})
