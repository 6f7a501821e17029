import { describe, expect, it } from 'vitest'
import { counter, createDocument } from '@murmuration/crdt'
import { defaults } from '@murmuration/agent'
import { Echoes } from '../src/echoes.ts'
import { Interest } from '../src/interest.ts'
import { VirtualClock } from './fake-cluster.ts'

/** A signal that counts its listeners. */
function counted(): { controller: AbortController; listeners: () => number } {
  const controller = new AbortController()
  const { signal } = controller
  let listeners = 0
  const add = signal.addEventListener.bind(signal)
  const remove = signal.removeEventListener.bind(signal)
  signal.addEventListener = (type: string, listener: () => void) => {
    listeners++
    add(type, listener)
  }
  signal.removeEventListener = (type: string, listener: () => void) => {
    listeners--
    remove(type, listener)
  }
  return { controller, listeners: () => listeners }
}

describe('interest in a request', () => {
  it('is lost when all who waited have gone, or the agent is closed', () => {
    const [closed, a, b] = [counted(), counted(), counted()]
    const interest = new Interest(a.controller, closed.controller.signal)
    const { signal } = interest
    interest.join(b.controller)
    a.controller.abort()
    expect([interest.lost, signal.aborted]).toEqual([false, false])
    b.controller.abort()
    expect([interest.lost, signal.aborted]).toEqual([true, true])
    const other = new Interest(counted().controller, closed.controller.signal)
    closed.controller.abort()
    expect([other.lost, other.signal.aborted]).toEqual([true, true])
  })

  it('leaves no listener behind, and none at all unless its signal was asked for', () => {
    const [closed, a, b] = [counted(), counted(), counted()]
    const interest = new Interest(a.controller, closed.controller.signal)
    expect(closed.listeners() + a.listeners()).toBe(0)
    expect(interest.signal.aborted).toBe(false)
    interest.join(b.controller)
    expect([closed.listeners(), a.listeners(), b.listeners()]).toEqual([1, 1, 1])
    interest.end()
    expect([closed.listeners(), a.listeners(), b.listeners()]).toEqual([0, 0, 0])
  })
})

describe('echoes', () => {
  const schema = { n: counter() }
  const epoch = { view: 1, boot: 1 }
  const documents = (() => {
    const document = createDocument()
    const stamp = { time: 1, tick: 0 }
    return [1, 2, 3].map(() => {
      const { draft, operations } = document.draft(schema)
      draft.n.increment()
      document.execute(operations, { writer: 'w', stamp })
      return document.clone()
    })
  })()
  const [first, second, third] = documents
  if (first === undefined || second === undefined || third === undefined) throw new Error('three')

  it('keep the newer of two documents that overtook each other', () => {
    const echoes = new Echoes(new VirtualClock())
    echoes.set('x', second, epoch)
    echoes.set('x', first, epoch)
    expect(echoes.get('x')?.value(schema).n).toBe(2)
    echoes.set('x', third, epoch)
    expect(echoes.get('x')?.value(schema).n).toBe(3)
    // Another owner is believed, whatever it has.
    echoes.set('x', first, { view: 2, boot: 1 })
    expect(echoes.get('x')?.value(schema).n).toBe(1)
  })

  it('are forgotten after their time, on request, and when there are too many', async () => {
    const clock = new VirtualClock()
    const echoes = new Echoes(clock)
    echoes.set('x', first, epoch)
    await clock.advance(defaults.echoMs - 1)
    expect(echoes.get('x')).toBe(first)
    await clock.advance(1)
    expect(echoes.get('x')).toBeUndefined()
    echoes.set('x', first, epoch)
    echoes.forget('x')
    expect(echoes.get('x')).toBeUndefined()
    for (let i = 0; i <= defaults.echoesMax; i++) echoes.set(`${i}`, first, epoch)
    expect(echoes.get('0')).toBeUndefined()
    expect(echoes.get('1')).toBe(first)
  })
})
