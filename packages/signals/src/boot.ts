import type { Clock, Store } from '@murmuration/interface'
import { BootRecord, openRecord, sealRecord } from './core/records.ts'

const key = 'boot'

/**
 * The number of this process start, written before anything is signed with it. Never below the time,
 * so that a peer that lost its disk is not taken for its own past.
 */
export async function nextBoot(
  store: Store,
  clock: Clock,
  given: number | undefined,
  onCorrupt: (key: string, error: unknown) => void
): Promise<number> {
  let last = 0
  try {
    const sealed = await store.get(key)
    last = sealed === undefined ? 0 : openRecord(key, sealed, BootRecord).boot
  } catch (error) {
    // The time alone will do, unless the clock has gone back.
    onCorrupt(key, error)
  }
  const boot = given ?? Math.max(last + 1, Math.trunc(clock.now()))
  await store.write([{ key, value: sealRecord(BootRecord.encode({ boot })) }], { sync: true })
  return boot
}
