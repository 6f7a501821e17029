import { setImmediate as turn } from 'node:timers/promises'
import { multiaddrConnectionPair } from '@libp2p/utils'
import { Uint8ArrayList } from 'uint8arraylist'
import { describe, expect, it } from 'vitest'
import { gatherWrites, sendWhole } from '../src/whole-writes.ts'

/** A connection, the one that it runs over, and what was sent on it. */
function open() {
  const [below] = multiaddrConnectionPair()
  const [connection, far] = multiaddrConnectionPair()
  const sent: unknown[] = []
  const send = connection.send.bind(connection)
  connection.send = (data) => {
    sent.push(data instanceof Uint8Array ? [...data] : data)
    return send(data)
  }
  return { below, connection, far, sent }
}

describe('writes', () => {
  it('are whole, whatever they are made of', () => {
    const { connection, sent } = open()
    const whole = sendWhole(connection)
    whole.send(new Uint8ArrayList(Uint8Array.of(1, 2), Uint8Array.of(3)))
    whole.send(Uint8Array.of(4))
    expect(sent).toEqual([[1, 2, 3], [4]])
  })

  it('of one turn leave together, those of microtasks included, and in order', async () => {
    const { below, connection, sent } = open()
    const gathered = gatherWrites(connection, below)
    gathered.send(Uint8Array.of(1))
    queueMicrotask(() => void Promise.resolve().then(() => gathered.send(Uint8Array.of(3))))
    gathered.send(new Uint8ArrayList(Uint8Array.of(2), Uint8Array.of(2)))
    await turn()
    gathered.send(Uint8Array.of(4))
    await turn()
    expect(sent).toEqual([[1, 2, 2, 3], [4]])
  })

  it('do not gather without end', () => {
    const { below, connection, sent } = open()
    const gathered = gatherWrites(connection, below)
    for (let at = 0; at < 10; at++) gathered.send(new Uint8Array(16_384))
    expect(sent.length).toBe(2)
  })

  it('leave before the connection is closed, and are refused afterwards', async () => {
    const { below, connection, far, sent } = open()
    const gathered = gatherWrites(connection, below)
    far.addEventListener('message', () => undefined)
    gathered.send(Uint8Array.of(1))
    await gathered.close()
    expect(sent).toEqual([[1]])
    expect(() => gathered.send(Uint8Array.of(2))).toThrow()
    await turn()
  })

  it('leave before the connection underneath is closed', async () => {
    const { below, connection, sent } = open()
    const gathered = gatherWrites(connection, below)
    gathered.send(Uint8Array.of(1))
    const closing = below.close()
    expect(sent).toEqual([[1]])
    expect(below.status).toBe('open')
    await closing
    expect(below.status).not.toBe('open')
  })

  it('are dropped with a connection that is aborted', async () => {
    const { below, connection, sent } = open()
    const gathered = gatherWrites(connection, below)
    gathered.send(Uint8Array.of(1))
    gathered.abort(new Error('cut'))
    await turn()
    expect(sent).toEqual([])
    expect(() => gathered.send(Uint8Array.of(2))).toThrow()
  })
})
