import { describe, expect, it } from 'vitest'
import type { Clock, RegistryChange, SignalHandler, Signals } from '@murmuration/interface'
import { ChangeSignals } from '../src/change-signals.ts'

const change = (id: string): RegistryChange => ({ type: 'registered', id, peer: 'a', reason: 'x' })

describe('changes for watchers on other peers', () => {
  it('go together when they come together, and anything else is ignored', () => {
    const timers: (() => void)[] = []
    const handlers: SignalHandler[] = []
    const published: unknown[] = []
    const clock: Clock = {
      now: () => 0,
      monotonic: () => 0,
      schedule: (_ms, task) => {
        timers.push(task)
        return () => timers.splice(timers.indexOf(task), 1)
      }
    }
    // Only these two are used.
    const signals = {
      publish: async ({ data }: { data: unknown }) => void published.push(data),
      subscribe: (_pattern: string, handler: SignalHandler) => {
        handlers.push(handler)
        return { close: () => undefined }
      }
    } as unknown as Signals
    const heard: string[] = []
    const parts = { clock, signals, log: undefined }
    const here = new ChangeSignals({ ...parts, peer: 'a' }, ({ id }) => void heard.push(`a ${id}`))
    const there = new ChangeSignals({ ...parts, peer: 'b' }, ({ id }) => void heard.push(`b ${id}`))
    here.start()
    there.start()
    for (let at = 0; at < 300; at++) here.tell(change(String(at)))
    expect(published.map((data) => (data as unknown[]).length)).toEqual([256])
    for (const task of timers.splice(0)) task()
    expect(published.map((data) => (data as unknown[]).length)).toEqual([256, 44])
    for (const data of [published[1], 'nonsense', [{ type: 'moved' }, null, 7]]) {
      for (const handler of handlers) {
        void handler({ specversion: '1.0', id: '1', source: 's', type: 't', data }, { author: 'a' })
      }
    }
    expect(heard).toHaveLength(44)
    expect(heard[0]).toBe('b 256')
  })
})
