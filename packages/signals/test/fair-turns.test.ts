import { describe, expect, it } from 'vitest'
import { FairTurns } from '../src/core/fair-turns.ts'

function turns(): {
  /** Names the message once it begins. */
  enter: (source: string, name: string) => void
  /** Ends a turn of the event loop; gives what began in it. */
  turn: () => Promise<string[]>
  waiting: () => number
} {
  const tasks: (() => void)[] = []
  const subject = new FairTurns((task) => tasks.push(task))
  let begun: string[] = []
  return {
    enter: (source, name) => {
      const mayBegin = subject.enter(source)
      if (mayBegin === undefined) {
        begun.push(name)
      } else {
        void mayBegin.then(() => begun.push(name))
      }
    },
    turn: async () => {
      for (const task of tasks.splice(0)) {
        task()
      }
      await new Promise((resolve) => setImmediate(resolve))
      const result = begun
      begun = []
      return result
    },
    waiting: () => tasks.length
  }
}

describe('turns', () => {
  it('let the first message of each source begin at once, and one of each source per turn', async () => {
    const { enter, turn } = turns()
    for (let index = 0; index < 5; index += 1) {
      enter('loud', `loud ${index}`)
    }
    enter('a', 'a 0')
    enter('b', 'b 0')
    enter('b', 'b 1')
    expect(await turn()).toEqual(['loud 0', 'a 0', 'b 0', 'loud 1', 'b 1'])
    // Whoever is new has its turn at once, though the loud one still waits.
    enter('a', 'a 1')
    expect(await turn()).toEqual(['a 1', 'loud 2'])
    expect(await turn()).toEqual(['loud 3'])
    expect(await turn()).toEqual(['loud 4'])
  })

  it('keep the order of each source, and schedule nothing when nothing came', async () => {
    const { enter, turn, waiting } = turns()
    const seen: string[] = []
    for (let index = 0; index < 20; index += 1) {
      enter('x', `x ${index}`)
      if (index % 3 === 0) {
        enter('y', `y ${index}`)
        seen.push(...(await turn()))
      }
    }
    while (waiting() > 0) {
      seen.push(...(await turn()))
    }
    const of = (source: string): string[] => seen.filter((name) => name.startsWith(source))
    expect(of('x')).toEqual(Array.from({ length: 20 }, (_, index) => `x ${index}`))
    expect(of('y')).toEqual([0, 3, 6, 9, 12, 15, 18].map((index) => `y ${index}`))
    expect(await turn()).toEqual([])
  })
})
