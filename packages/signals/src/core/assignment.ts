import { sha256 } from '@noble/hashes/sha2.js'
import { utf8ToBytes } from '@noble/hashes/utils.js'

/**
 * The consumer of a group that handles signals of this key: highest random weight (Thaler and
 * Ravishankar 1998), so that each consumer that leaves or comes moves only its own share.
 */
export function assignee(key: string, consumers: readonly string[]): string | undefined {
  let best: string | undefined
  let bestWeight = -1
  for (const consumer of consumers) {
    const hash = sha256(utf8ToBytes(`${consumer}\n${key}`))
    // 48 bits, which a number holds exactly.
    const weight =
      (hash[0] ?? 0) * 2 ** 40 +
      (hash[1] ?? 0) * 2 ** 32 +
      (hash[2] ?? 0) * 2 ** 24 +
      (((hash[3] ?? 0) << 16) | ((hash[4] ?? 0) << 8) | (hash[5] ?? 0))
    if (weight > bestWeight || (weight === bestWeight && consumer > (best ?? ''))) {
      best = consumer
      bestWeight = weight
    }
  }
  return best
}
