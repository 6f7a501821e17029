import { setTimeout as pause } from 'node:timers/promises'
import { defaultLogger } from '@libp2p/logger'
import type { MultiaddrConnection, Stream, StreamMuxer } from '@libp2p/interface'
import { multiaddrConnectionPair } from '@libp2p/utils'
import { yamux } from '@libp2p/yamux'
import { describe, expect, it } from 'vitest'
import { joinedFrames, sparingWindowUpdates } from '../src/index.ts'

describe('frames of a muxer', () => {
  it('go to the connection in one piece each unless they are long, and arrive as they were sent', async () => {
    const pair = multiaddrConnectionPair()
    let whole = 0
    let cut = 0
    const components = { logger: defaultLogger() }
    const muxers = pair.map((connection): StreamMuxer => {
      const send = connection.send.bind(connection)
      connection.send = (data) => {
        if (data instanceof Uint8Array) {
          whole += 1
        } else {
          cut += 1
        }
        return send(data)
      }
      const factory = joinedFrames(sparingWindowUpdates(yamux({ enableKeepAlive: false })))
      return factory(components).createStreamMuxer(connection as MultiaddrConnection) // of a pair
    })
    const [near, far] = muxers
    if (near === undefined || far === undefined) throw new Error('a pair has two ends')
    const arrived = new Promise<Stream>((resolve) => {
      far.addEventListener('stream', ({ detail }) => resolve(detail))
    })
    const stream = await near.createStream()
    const other = await arrived
    const sent = Uint8Array.from({ length: 200_203 }, (_, at) => at % 251)
    const received = new Uint8Array(sent.length)
    let bytes = 0
    other.addEventListener('message', ({ data }) => {
      received.set(data.subarray(), bytes)
      bytes += data.byteLength
    })
    stream.send(sent.subarray(0, 200))
    stream.send(sent.subarray(200, 203))
    while (bytes < 203) await pause(1)
    expect(cut).toBe(0)
    expect(whole).toBeGreaterThan(2)
    stream.send(sent.subarray(203))
    while (bytes < sent.length) await pause(1)
    expect(cut).toBe(1)
    expect(Buffer.compare(received, sent)).toBe(0)
    for (const end of pair) end.abort(new Error('over'))
  })
})
