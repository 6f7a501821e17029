import { setTimeout as pause } from 'node:timers/promises'
import { defaultLogger } from '@libp2p/logger'
import type { MultiaddrConnection, Stream, StreamMuxer } from '@libp2p/interface'
import { multiaddrConnectionPair } from '@libp2p/utils'
import { yamux } from '@libp2p/yamux'
import { describe, expect, it } from 'vitest'
import { sparingWindowUpdates } from '../src/index.ts'

const MESSAGE = new Uint8Array(200).fill(7)

/** Two muxers over a connection in memory, one stream, and what each side sent on the connection. */
async function connect(): Promise<{ sent: number[]; ends: [Stream, Stream]; close: () => void }> {
  const pair = multiaddrConnectionPair()
  const sent = [0, 0]
  const components = { logger: defaultLogger() }
  const muxers = pair.map((connection, side): StreamMuxer => {
    const send = connection.send.bind(connection)
    connection.send = (data) => {
      sent[side] = (sent[side] ?? 0) + 1
      return send(data)
    }
    const factory = sparingWindowUpdates(yamux({ enableKeepAlive: false }))(components)
    return factory.createStreamMuxer(connection as MultiaddrConnection) // what a pair is made of
  })
  const [near, far] = muxers
  if (near === undefined || far === undefined) throw new Error('a pair has two ends')
  const arrived = new Promise<Stream>((resolve) => {
    far.addEventListener('stream', ({ detail }) => resolve(detail))
  })
  const ends: [Stream, Stream] = [await near.createStream(), await arrived]
  await pause(20)
  sent.fill(0)
  return { sent, ends, close: () => pair.forEach((end) => end.abort(new Error('over'))) }
}

describe('window updates', () => {
  it('are not sent for each message', async () => {
    const { sent, ends, close } = await connect()
    let received = 0
    ends[1].addEventListener('message', ({ data }) => void (received += data.byteLength))
    for (let at = 0; at < 50; at++) {
      ends[0].send(MESSAGE)
      await pause(1)
    }
    await pause(20)
    expect(received).toBe(50 * MESSAGE.length)
    // The first one accepts the stream.
    expect(sent[0]).toBe(50)
    expect(sent[1]).toBeLessThanOrEqual(1)
    close()
  })

  it('are sent in time for much more than one window', async () => {
    const { sent, ends, close } = await connect()
    const total = 4_000_000
    let received = 0
    ends[1].addEventListener('message', ({ data }) => void (received += data.byteLength))
    const chunk = new Uint8Array(50_000)
    for (let at = 0; at < total; at += chunk.length) {
      if (!ends[0].send(chunk)) await ends[0].onDrain()
    }
    while (received < total) await pause(1)
    expect(sent[1]).toBeGreaterThan(2)
    expect(sent[1]).toBeLessThan(40)
    close()
  })
})
