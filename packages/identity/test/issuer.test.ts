import type { Rpc, Store } from '@murmuration/interface'
import { describe, expect, test } from 'vitest'
import {
  createCertificateService,
  createInvitation,
  createIssuer,
  credentialsFromCertificate,
  issueCertificate,
  issueDelegate,
  readCertificate,
  verifyCertificate
} from '../src/index.ts'
import type { Admitted } from '../src/index.ts'
import { keyOf, peerOfSeed } from './keys.ts'

const cluster = 'forest'

/** Seeds of the keys: 1 is the root, 2 the delegate, 3 the peer. */
async function delegateFor(
  roles: readonly ('member' | 'edge' | 'guest')[],
  change: { readonly notAfter?: number; readonly epoch?: number } = {}
) {
  const times = { notBefore: 0, notAfter: 100_000, ...change }
  const init = { cluster, delegate: await peerOfSeed(2), roles, serial: 'd', ...times }
  return await issueDelegate(await keyOf(1), init)
}

/** Time that only moves when told to. */
class ManualClock {
  time = 0
  #timers: { readonly at: number; readonly task: () => void }[] = []
  readonly now = (): number => this.time
  readonly monotonic = this.now

  readonly schedule = (delayMs: number, task: () => void): (() => void) => {
    const timer = { at: this.time + delayMs, task }
    this.#timers.push(timer)
    return () => {
      this.#timers = this.#timers.filter((other) => other !== timer)
    }
  }

  async advance(ms: number): Promise<void> {
    const end = this.time + ms
    for (;;) {
      const [next] = this.#timers.toSorted((a, b) => a.at - b.at)
      if (next === undefined || next.at > end) break
      this.#timers = this.#timers.filter((other) => other !== next)
      this.time = next.at
      next.task()
      // Signing and the store take real turns.
      await new Promise((resolve) => setTimeout(resolve, 5))
    }
    this.time = end
  }
}

describe('a delegate', () => {
  test('issues nothing that outlives its own certificate, and nothing after it', async () => {
    const clock = new ManualClock()
    const delegate = await delegateFor(['member'])
    const init = { cluster, privateKey: await keyOf(2), delegate, ttlMs: 60_000, clock }
    const issuer = createIssuer(init)
    const peer = await peerOfSeed(3)
    expect(issuer).toMatchObject({ root: await peerOfSeed(1), name: await peerOfSeed(2) })
    expect(readCertificate(await issuer.issue(peer, ['member'])).notAfter).toBe(60_000)
    clock.time = 70_000
    expect(readCertificate(await issuer.issue(peer, ['member'])).notAfter).toBe(100_000)
    clock.time = 100_001
    await expect(issuer.issue(peer, ['member'])).rejects.toThrow(/delegate has expired/)
    expect(() => createIssuer({ ...init, delegate: new Uint8Array(3) })).toThrow(/no delegate/)
  })

  test('bounds by its own times and epoch what it has signed by hand', async () => {
    const roles = ['member'] as const
    const delegate = await delegateFor(roles, { notAfter: 5_000, epoch: 2 })
    const peer = await peerOfSeed(3)
    const times = { notBefore: 100, notAfter: 90_000 }
    const init = { cluster, peer, roles, serial: 's', ...times, epoch: 9, delegate }
    const certificate = await issueCertificate(await keyOf(2), init)
    const bounds = { notBefore: 100, notAfter: 5_000, epoch: 2 }
    expect(readCertificate(certificate)).toMatchObject(bounds)
    const expectation = { cluster, peer, roots: [await peerOfSeed(1)] }
    expect(await verifyCertificate(certificate, { ...expectation, now: 200 })).toMatchObject(bounds)
    const late = verifyCertificate(certificate, { ...expectation, now: 5_001 })
    await expect(late).rejects.toMatchObject({ reason: 'expired' })
  })

  test('invites for roles that it may give, and only if it may open the door', async () => {
    const invite = async (given: readonly ('member' | 'guest')[], asked: 'member' | 'edge') => {
      const delegate = await delegateFor(given)
      const clock = { now: () => 0 }
      const issuer = createIssuer({ cluster, privateKey: await keyOf(2), delegate, clock })
      const at = {
        roots: [await peerOfSeed(1)],
        at: await peerOfSeed(2),
        addresses: ['/ip4/1.2.3.4']
      }
      return await createInvitation({ issuer, ...at, roles: [asked] })
    }
    await expect(invite(['member'], 'member')).rejects.toThrow(/the role guest/)
    await expect(invite(['guest'], 'member')).rejects.toThrow(/the role member/)
    await expect(invite(['guest', 'member'], 'edge')).rejects.toThrow(/the role edge/)
    expect(await invite(['guest', 'member'], 'member')).toMatch(/^murmuration-invite/)
  })
})

describe('keeping certificates fresh', () => {
  async function service(ttlMs: number, leftMs: number, delegate?: Uint8Array) {
    const clock = new ManualClock()
    const privateKey = delegate === undefined ? await keyOf(1) : await keyOf(2)
    const own = delegate === undefined ? {} : { delegate }
    const issuer = createIssuer({ cluster, privateKey, ttlMs, clock, ...own })
    const credentials = await credentialsFromCertificate({
      cluster,
      rootPublicKey: await peerOfSeed(1),
      privateKey: await keyOf(3),
      certificate: await issuer.issue(await peerOfSeed(3), ['member'], { notAfter: leftMs }),
      clock
    })
    const sweeps: number[] = []
    // Nobody is connected.
    const admitted = {
      sweep: () => Promise.resolve(sweeps.push(clock.time))
    } as unknown as Admitted
    const rpc = { peer: credentials.peer, handle: () => {}, unhandle: () => {} } as unknown as Rpc
    // Nothing is read of it.
    const store = { write: () => Promise.resolve() } as unknown as Store
    const random = { next: () => 0.5, bytes: (length: number) => new Uint8Array(length) }
    const parts = { credentials, admitted, rpc, clock, random, store, issuer }
    const logged: string[] = []
    const log = (message: string): void => void logged.push(message)
    const kept = createCertificateService({ ...parts, connected: () => [], log })
    await kept.start()
    return { clock, sweeps, credentials, kept, logged }
  }

  test('looks often for expired ones only while the own one is about to expire', async () => {
    const { clock, sweeps, kept } = await service(1_000_000, 2_000)
    await clock.advance(1_000)
    expect(sweeps).toEqual([250, 500, 750, 1_000])
    await clock.advance(300_000)
    expect(sweeps.length).toBeLessThan(15)
    await kept.stop()
  })

  test('goes on in measured steps up to the end of a delegate', async () => {
    const delegate = await delegateFor(['member'], { notAfter: 20_000 })
    const { clock, credentials, kept, logged } = await service(60_000, 20_000, delegate)
    await clock.advance(30_000)
    const [certificate = new Uint8Array()] = await credentials.certificates()
    expect(readCertificate(certificate).notAfter).toBe(20_000)
    const renewals = logged.filter((message) => message === 'renewed the certificate')
    expect(renewals.length).toBeGreaterThan(5)
    expect(renewals.length).toBeLessThan(15)
    await kept.stop()
  })
})
