import { generateKeyPair } from '@libp2p/crypto/keys'
import { createIssuer } from '@murmuration/identity'
import type { Role } from '@murmuration/interface'
import { evilBytes } from './hostile.ts'
import { outsider } from './outsider.ts'
import type { Outsider } from './outsider.ts'
import type { RecordedCalls } from './recorded-calls.ts'
import { seededRandom } from './victim-process.ts'
import type { Report, Victim } from './victim-process.ts'

/** What came of rubbish in calls. */
export interface FuzzedCalls extends Report {
  readonly sent: number
  readonly methods: readonly string[]
  /** The longest stall by group of methods. */
  readonly stalls: ReadonlyMap<string, number>
  /** How many calls ended in what way, `answered` or the name of an error. */
  readonly outcomes: ReadonlyMap<string, number>
  /** The last error of a handler that was none of Murmuration, by method: what nobody had checked. */
  readonly unforeseen: ReadonlyMap<string, string>
}

const parallel = 16
/** Methods between two looks at the peer, each of which takes a tenth of a second. */
const groupSize = 10

/**
 * Members trust each other in what they agree on, so what one says there is believed, a flipped bit
 * included: that another lineage is larger, say, which this one then goes over to.
 */
const agreed = /^membership\./

/**
 * Rubbish in well-formed calls of every method that peers answer, from an admitted peer: requests of
 * real peers with flipped bits, cut, lengthened or of another method, and noise. Frames of rubbish on the
 * protocol of rpc end there, and reach no method.
 */
export async function fuzzCalls(
  victim: Victim,
  { methods, requests }: RecordedCalls,
  { role, calls, seed }: { readonly role: Role; readonly calls: number; readonly seed: number }
): Promise<FuzzedCalls> {
  const random = seededRandom(seed)
  const others = [...requests.values()].map(([first]) => first ?? new Uint8Array(1))
  const stalls = new Map<string, number>()
  const outcomes = new Map<string, number>()
  const unforeseen = new Map<string, string>()
  const rogue = await connect(victim, role)
  let sent = 0
  try {
    const all = [...methods].filter(([method]) => role !== 'member' || !agreed.test(method))
    const share = Math.ceil(calls / all.length)
    for (let at = 0; at < all.length; at += groupSize) {
      const group = all.slice(at, at + groupSize)
      const left = group.flatMap((each) => Array.from({ length: share }, () => each))
      const work = async (): Promise<void> => {
        for (let next = left.shift(); next !== undefined; next = left.shift()) {
          sent++
          const [method, { isStream }] = next
          const request = evilBytes(random, requests.get(method) ?? others)
          // oxlint-disable-next-line no-await-in-loop
          const error = await rogue.send(method, request, isStream)
          const outcome = error?.name ?? 'answered'
          outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1)
          if (error?.name === 'RemoteHandlerError') unforeseen.set(method, error.message)
        }
      }
      // oxlint-disable-next-line no-await-in-loop
      await victim.reset()
      // One group after the other, so that a failure names it.
      // oxlint-disable-next-line no-await-in-loop
      await Promise.all(Array.from({ length: parallel }, work))
      const names = group.map(([method]) => method).join(' ')
      // oxlint-disable-next-line no-await-in-loop
      stalls.set(names, (await victim.report()).stallMs)
    }
    const stallMs = Math.max(...stalls.values())
    return {
      ...(await victim.report()),
      stallMs,
      sent,
      methods: all.map(([method]) => method),
      stalls,
      outcomes,
      unforeseen
    }
  } finally {
    await rogue.node.stop()
  }
}

async function connect(
  victim: Victim,
  role: Role
): Promise<{
  readonly node: Outsider
  readonly send: (
    method: string,
    request: Uint8Array,
    isStream: boolean
  ) => Promise<Error | undefined>
}> {
  const { rootKey, cluster, addresses } = victim.attack
  const issuer = createIssuer({ cluster, privateKey: rootKey })
  const key = await generateKeyPair('Ed25519')
  const node = await outsider({ rootKey, issuer, cluster, key, roles: [role] })
  await node.dial(addresses)
  const peer = addresses[0]?.split('/').at(-1) ?? ''
  const timeoutMs = 500
  return {
    node,
    send: async (method, request, isStream) => {
      try {
        if (!isStream) await node.rpc.call(peer, method, request, { timeoutMs })
        else for await (const _ of node.rpc.stream(peer, method, request, { timeoutMs }));
        return undefined
      } catch (error) {
        return error instanceof Error ? error : new Error(String(error))
      }
    }
  }
}
