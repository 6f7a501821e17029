import type { DurableSubscribeOptions, PublishOptions } from '@murmuration/interface'
import type { SignalBus } from '../src/index.ts'
import { settle } from './fakes.ts'
import type { TestBus, TestCluster } from './fakes.ts'

export const atLeastOnce: PublishOptions = { delivery: 'at-least-once' }

/** Waits for a promise while virtual time passes. */
export async function during<T>(cluster: TestCluster, promise: Promise<T>, ms = 1000): Promise<T> {
  const settled = promise.catch(() => undefined)
  for (let passed = 0; passed < ms; passed += 50) {
    await cluster.clock.advance(50)
  }
  await Promise.race([settled, settle()])
  return promise
}

/** Subscribes durably, and gathers what is handled. */
export async function durably(
  cluster: TestCluster,
  { bus }: TestBus,
  got: unknown[],
  options: Partial<DurableSubscribeOptions> & {
    pattern?: string
    fails?: (data: unknown) => boolean
  } = {}
): ReturnType<SignalBus['subscribeDurably']> {
  const { fails, pattern = 'order.*', ...rest } = options
  const handler = ({ data }: { data?: unknown }): void => {
    if (fails?.(data) === true) {
      throw new Error('not now')
    }
    got.push(data)
  }
  return await during(cluster, bus.subscribeDurably(pattern, handler, { name: 'all', ...rest }))
}
