import { expect, test } from 'vitest'
import { Patience } from '../../src/core/patience.ts'

function dueOf(patience: Patience, name: string, spared: number): number[] {
  return Array.from({ length: 20 }, (_, at) => at + 1).filter(() => patience.isDue(name, spared))
}

test('a copy that differs is asked for after twice as many comparisons each time', () => {
  expect(dueOf(new Patience(8), 'a', 0)).toEqual([1, 2, 4, 8, 16])
  expect(dueOf(new Patience(8), 'a', 1)).toEqual([2, 4, 8, 16])
})

test('the names that came up latest are remembered, and no more than so many', () => {
  const patience = new Patience(2)
  expect(patience.isDue('a', 1)).toBe(false)
  expect(patience.isDue('b', 1)).toBe(false)
  expect(patience.isDue('a', 1)).toBe(true)
  // There is no room for the one that did not come up for longest.
  expect(patience.isDue('c', 1)).toBe(false)
  expect(patience.isDue('b', 1)).toBe(false)
  expect(patience.isDue('a', 1)).toBe(false)
})
