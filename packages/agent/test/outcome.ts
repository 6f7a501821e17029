import { expect } from 'vitest'

/** How a promise ended, looked at later. */
export interface Outcome<T> {
  value?: T
  error?: Error
  done: boolean
}

export function outcomeOf<T>(promise: Promise<T>): Outcome<T> {
  const outcome: Outcome<T> = { done: false }
  promise.then(
    (value) => Object.assign(outcome, { value, done: true }),
    (error: Error) => Object.assign(outcome, { error, done: true })
  )
  return outcome
}

/** An error by its name, and what else it has to say. */
export const named = (name: string, more: object = {}): unknown =>
  expect.objectContaining({ name, ...more })
