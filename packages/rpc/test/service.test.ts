import { defaultLogger } from '@libp2p/logger'
import type { Metrics } from '@libp2p/interface'
import { peerIdFromString } from '@libp2p/peer-id'
import { describe, expect, it } from 'vitest'
import { rpc } from '../src/index.ts'
import type { RpcComponents } from '../src/index.ts'
import { registerMetrics } from '../src/metrics.ts'
import { errorOf } from './duplex.ts'
import { ManualClock } from './manual-clock.ts'

const own = '12D3KooWHFKTMzwerBtsVmtz4ZZEQy2heafxzWw6wNn5PPYkBxJ5'
const other = '12D3KooWSHj3RRbBjD15g6wekV8y3mm57Pobmps2g2WJm6F67Lay'
const bytes = (...values: number[]): Uint8Array => Uint8Array.from(values)

interface Fake {
  readonly components: RpcComponents
  readonly clock: ManualClock
  readonly protocols: string[]
  dials: number
}

/** A node without a network: every dial fails. */
function fake(): Fake {
  const clock = new ManualClock()
  const protocols: string[] = []
  const result: Fake = {
    clock,
    protocols,
    dials: 0,
    components: {
      peerId: peerIdFromString(own),
      logger: defaultLogger(),
      clock,
      registrar: {
        handle: async (protocol) => {
          protocols.push(protocol)
        },
        unhandle: async (protocol) => {
          protocols.splice(protocols.indexOf(String(protocol)), 1)
        },
        register: async () => 'id',
        unregister: () => {}
      },
      connectionManager: {
        getConnections: () => [],
        openConnection: () => {
          result.dials++
          return Promise.reject(new Error('nobody listens'))
        }
      }
    }
  }
  return result
}

describe('the service', () => {
  it('handles the protocol of its cluster between start and stop', async () => {
    const { components, protocols } = fake()
    const service = rpc({ cluster: 'blue' })(components)
    expect(await errorOf(service.call(other, 'echo', bytes()))).toMatchObject({
      name: 'NotStartedError'
    })
    await service.start()
    await service.start()
    expect(protocols).toEqual(['/murmuration/blue/rpc/1.0.0'])
    await service.stop()
    expect(protocols).toEqual([])
  })

  it.each(['', 'a/b', 'x'.repeat(65), 'ü'])('refuses the cluster name %j', (cluster) => {
    expect(() => rpc({ cluster })).toThrow(
      expect.objectContaining({ name: 'InvalidParametersError' })
    )
  })

  it('dials a dead peer ever less often, and not for each call', async () => {
    const peer = fake()
    const service = rpc()(peer.components)
    await service.start()
    const callFor = async (durationMs: number): Promise<number> => {
      const before = peer.dials
      for (let passed = 0; passed < durationMs; passed += 10) {
        const error = await errorOf(service.call(other, 'echo', bytes(), { timeoutMs: 1_000 }))
        expect(error).toMatchObject({ name: 'PeerUnavailableError', peer: other, retryable: true })
        peer.clock.advance(10)
      }
      return peer.dials - before
    }
    expect(await callFor(100)).toBe(1)
    // Pauses of 100, 200, 400, 800, 1,600 and then 2,000 ms.
    expect(await callFor(10_000)).toBeLessThanOrEqual(9)
    expect(await callFor(20_000)).toBeLessThanOrEqual(11)
    await service.stop()
    expect(peer.clock.timers).toBe(0)
  })

  it('tells a peer that is dialled in vain from one that is slow to be dialled', async () => {
    const peer = fake()
    peer.components.connectionManager.openConnection = (_, options) =>
      new Promise((_resolve, reject) => {
        options?.signal?.addEventListener('abort', () => reject(options.signal?.reason))
      })
    const service = rpc({ openTimeoutMs: 2_000 })(peer.components)
    await service.start()
    const impatient = errorOf(service.call(other, 'echo', bytes(), { timeoutMs: 500 }))
    const patient = errorOf(service.call(other, 'echo', bytes(), { timeoutMs: 5_000 }))
    peer.clock.advance(600)
    expect(await impatient).toMatchObject({
      name: 'PeerUnavailableError',
      message: expect.stringContaining('within 500 ms')
    })
    peer.clock.advance(1_500)
    expect(await patient).toMatchObject({
      name: 'PeerUnavailableError',
      message: expect.stringContaining('no stream within 2000 ms')
    })
    await service.stop()
  })
})

describe('metrics', () => {
  it('count calls, errors by code and seconds, with a bound on the codes', () => {
    const counts: Record<string, number> = {}
    const observed: number[] = []
    const gauges: Record<string, () => number> = {}
    // Only what the package registers.
    const metrics = {
      registerMetric: (name: string, { calculate }: { calculate: () => number }) => {
        gauges[name] = calculate
      },
      registerCounter: () => ({
        increment: () => {
          counts['calls'] = (counts['calls'] ?? 0) + 1
        }
      }),
      registerCounterGroup: () => ({
        increment: (codes: Record<string, true>) => {
          for (const code of Object.keys(codes)) counts[code] = (counts[code] ?? 0) + 1
        }
      }),
      registerHistogram: () => ({ observe: (seconds: number) => observed.push(seconds) })
    } as unknown as Metrics
    const observer = registerMetrics(metrics, {
      callsInFlight: () => 3,
      requestsInFlight: () => 4
    })
    observer.ended(0.5, undefined)
    for (let index = 0; index < 500; index++) {
      observer.ended(0.1, Object.assign(new Error('x'), errorFacts(`ERR_${index % 250}`)))
    }
    expect(counts['calls']).toBe(501)
    expect(observed).toHaveLength(501)
    expect(counts['ERR_0']).toBe(2)
    expect(counts['other']).toBeGreaterThan(0)
    expect(Object.keys(counts).length).toBeLessThanOrEqual(130)
    expect(gauges['murmuration_rpc_calls_in_flight']?.()).toBe(3)
    expect(gauges['murmuration_rpc_requests_in_flight']?.()).toBe(4)
  })
})

function errorFacts(code: string): {
  code: string
  retryable: boolean
  overloaded: boolean
  outcomeUnknown: boolean
} {
  return { code, retryable: false, overloaded: false, outcomeUnknown: false }
}
