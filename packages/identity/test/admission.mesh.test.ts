import { setTimeout as delay } from 'node:timers/promises'
import { generateKeyPair } from '@libp2p/crypto/keys'
import type { MessageStream } from '@libp2p/interface'
import { lpStream, multiaddrConnectionPair } from '@libp2p/utils'
import { afterEach, describe, expect, test } from 'vitest'
import {
  admissionPrefix,
  credentialsFromCertificate,
  issueCertificate,
  issueDelegate,
  notAdmittedError,
  openCredentials
} from '../src/index.ts'
import { decodeFrame, encodeFrame } from '../src/core/admission-frames.ts'
import type { Credentials, EncrypterFactory } from '../src/index.ts'
import {
  cluster,
  connect,
  encrypters,
  memberCredentials,
  refused,
  secret,
  startNode,
  startPlain,
  stopNodes
} from './nodes.ts'
import type { Watched } from './nodes.ts'

afterEach(stopNodes)

const day = 86_400_000

/** Nothing of `stranger` was ever seen by `member`: no connection, no identify, no event. */
async function expectNoTrace(member: Watched, stranger: Watched): Promise<void> {
  await delay(50)
  expect(member.node.getConnections(stranger.node.peerId)).toEqual([])
  expect(member.identified).not.toContain(stranger.peer)
  expect(member.opened).not.toContain(stranger.peer)
  expect(member.door?.admitted.rolesOf(stranger.peer)).toBeUndefined()
}

/** Both directions are refused, for this reason as the member sees it or is told it. */
async function expectStranger(member: Watched, stranger: Watched, reason: string): Promise<void> {
  const dialled = notAdmittedError(await refused(stranger, member))
  expect(dialled?.message).toContain(`(${reason})`)
  expect(dialled?.name).toBe('NotAdmittedError')
  await expectNoTrace(member, stranger)
  const dialling = notAdmittedError(await refused(member, stranger))
  expect(dialling?.message).toContain(`(${reason})`)
  await expectNoTrace(member, stranger)
}

/** An encrypter under our protocol name that does something else after the inner handshake. */
function rogue(
  inner: EncrypterFactory,
  behave: (connection: MessageStream) => Promise<void> | void
): EncrypterFactory {
  return (components) => {
    const encrypter = inner(components)
    return {
      protocol: `${admissionPrefix}${encrypter.protocol}`,
      secureInbound: async (stream, options) => {
        const secured = await encrypter.secureInbound(stream, options)
        await behave(secured.connection)
        return secured
      },
      secureOutbound: async (stream, options) => {
        const secured = await encrypter.secureOutbound(stream, options)
        await behave(secured.connection)
        return secured
      }
    }
  }
}

/** The member's side of a dial by a rogue, whose own dial may look as if it had worked. */
async function attack(member: Watched, attacker: Watched): Promise<void> {
  await attacker.node
    .dial(member.node.getMultiaddrs(), { signal: AbortSignal.timeout(3_000) })
    .catch(() => {
      // What the attacker sees does not matter.
    })
}

for (const name of ['tls', 'noise'] as const) {
  const encrypter = encrypters[name]
  const init = { encrypters: [encrypter], timeoutMs: 1_000 }

  describe(`admission over ${name}`, () => {
    test('lets members of one secret talk, and knows their roles until they leave', async () => {
      const a = await startNode(await memberCredentials(), init)
      const b = await startNode(await memberCredentials({ roles: ['edge', 'guest'] }), init)
      await connect(a, b)
      await connect(b, a)
      expect(a.door?.admitted.rolesOf(b.peer)).toEqual(['edge', 'guest'])
      expect(b.door?.admitted.rolesOf(a.peer)).toEqual(['member'])
      await expect.poll(() => a.identified).toContain(b.peer)
      expect(a.node.getConnections()[0]?.encryption).toMatch(/^\/murmuration\/admit\/1\//)
      await b.node.stop()
      await expect.poll(() => a.door?.admitted.size).toBe(0)
      expect(a.door?.admitted.rolesOf(b.peer)).toBeUndefined()
    })

    test('refuses a stranger with another secret, dialling and dialled', async () => {
      const member = await startNode(await memberCredentials(), init)
      const other = await memberCredentials({ secret: 'another secret, as long' })
      await expectStranger(member, await startNode(other, init), 'wrong-root')
    })

    test('refuses a plain libp2p node in the negotiation', async () => {
      const member = await startNode(await memberCredentials(), init)
      const plain = await startPlain([encrypter])
      await refused(plain, member)
      await expectNoTrace(member, plain)
      const error = notAdmittedError(await refused(member, plain))
      expect(error?.message).toContain('(stranger)')
      await expectNoTrace(member, plain)
    })

    test('refuses an expired certificate', async () => {
      const past = Date.now() - 60 * day
      const clock = { now: () => past, monotonic: () => 0, schedule }
      const expired = await memberCredentials({ clock })
      const { privateKey } = expired
      // It judges others by the right time, so that only its own certificate is wrong.
      const stranger = {
        ...(await memberCredentials({ privateKey })),
        certificates: () => expired.certificates()
      }
      const member = await startNode(await memberCredentials(), init)
      await expectStranger(member, await startNode(stranger, init), 'expired')
    })

    test("refuses another peer's certificate", async () => {
      const member = await startNode(await memberCredentials(), init)
      const victim = await memberCredentials()
      const thief = {
        ...(await memberCredentials()),
        certificates: () => victim.certificates()
      }
      await expectStranger(member, await startNode(thief, init), 'wrong-peer')
    })

    test("refuses a peer that sends the member's own proof back", async () => {
      const member = await startNode(await memberCredentials(), init)
      const credentials = await memberCredentials()
      const certificates = await credentials.certificates()
      const answers: string[] = []
      const mirror = rogue(encrypter, async (connection) => {
        const frames = lpStream(connection)
        const nonce = new Uint8Array(32)
        await frames.write(encodeFrame({ kind: 'hello', nonce, certificates }))
        const accept = decodeFrame((await frames.read()).subarray())
        answers.push(accept.kind)
        const signature = accept.kind === 'accept' ? accept.signature : new Uint8Array(64)
        await frames.write(encodeFrame({ kind: 'confirm', signature }))
        const refuse = decodeFrame((await frames.read()).subarray())
        answers.push(refuse.kind === 'refuse' ? refuse.reason : refuse.kind)
      })
      const attacker = await startPlain([mirror], credentials.privateKey)
      await attack(member, attacker)
      expect(answers).toEqual(['accept', 'bad-proof'])
      await expectNoTrace(member, attacker)
    })

    test('shows nothing of itself to a stranger that dials', async () => {
      const member = await startNode(await memberCredentials(), init)
      const other = await memberCredentials({ secret: 'another secret, as long' })
      const certificates = await other.certificates()
      const answers: unknown[] = []
      const prober = rogue(encrypter, async (connection) => {
        const frames = lpStream(connection)
        const nonce = new Uint8Array(32)
        await frames.write(encodeFrame({ kind: 'hello', nonce, certificates }))
        answers.push(decodeFrame((await frames.read()).subarray()))
      })
      const stranger = await startPlain([prober], other.privateKey)
      await attack(member, stranger)
      expect(answers).toEqual([{ kind: 'refuse', reason: 'wrong-root' }])
      await expectNoTrace(member, stranger)
    })

    test('refuses a peer of another cluster with the same root key', async () => {
      const rootKey = await generateKeyPair('Ed25519')
      const make = async (forest: string): Promise<Credentials> => {
        const privateKey = await generateKeyPair('Ed25519')
        const certificate = await issueCertificate(rootKey, {
          cluster: forest,
          peer: privateKey.publicKey,
          roles: ['member'],
          notBefore: 0,
          notAfter: Date.now() + day,
          serial: '1'
        })
        return await credentialsFromCertificate({
          cluster: forest,
          rootPublicKey: rootKey.publicKey,
          certificate,
          privateKey
        })
      }
      const member = await startNode(await make('forest'), init)
      const second = await startNode(await make('forest'), init)
      await connect(second, member)
      await expectStranger(member, await startNode(await make('desert'), init), 'wrong-cluster')
    })

    test('cuts a stranger that sends nothing at the deadline', async () => {
      const member = await startNode(await memberCredentials(), { ...init, timeoutMs: 500 })
      const silent = await startPlain([rogue(encrypter, () => delay(2_000))])
      const started = performance.now()
      const error = notAdmittedError(await refused(member, silent))
      expect(error?.message).toContain('(timeout)')
      expect(performance.now() - started).toBeLessThan(1_500)
      // As a listener: the stranger's socket is closed although its own encrypter still waits.
      const closed = Promise.withResolvers<number>()
      const loris = await startPlain([
        rogue(encrypter, async (connection) => {
          const since = performance.now()
          connection.addEventListener('close', () => closed.resolve(performance.now() - since))
          await closed.promise
        })
      ])
      await attack(member, loris)
      expect(await closed.promise).toBeLessThan(1_500)
      await expectNoTrace(member, silent)
      await expectNoTrace(member, loris)
    })

    test('cuts a stranger that sends its hello one byte at a time', async () => {
      const member = await startNode(await memberCredentials(), { ...init, timeoutMs: 500 })
      const closed = Promise.withResolvers<void>()
      const drip = await startPlain([
        rogue(encrypter, async (connection) => {
          connection.addEventListener('close', () => closed.resolve())
          connection.send(Uint8Array.of(0xf0, 0x07))
          while (connection.status === 'open') {
            connection.send(Uint8Array.of(1))
            await Promise.race([closed.promise, delay(20)])
          }
        })
      ])
      await attack(member, drip)
      await closed.promise
      await expectNoTrace(member, drip)
    })

    test('refuses garbage, oversized and out-of-turn frames', async () => {
      const member = await startNode(await memberCredentials(), init)
      const varint = Uint8Array.of(0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01)
      const attempts: readonly Uint8Array[] = [
        Uint8Array.of(3, 9, 9, 9),
        Uint8Array.of(2, 1, 0xa0),
        Uint8Array.of(0),
        varint,
        Uint8Array.of(0x81, 0x80, 0x01, ...new Uint8Array(20_000)),
        Uint8Array.from({ length: 3_000 }, (_, index) => (index * 7919) % 256)
      ]
      for (const bytes of attempts) {
        const closed = Promise.withResolvers<void>()
        const attacker = await startPlain([
          rogue(encrypter, async (connection) => {
            connection.addEventListener('close', () => closed.resolve())
            connection.send(bytes)
            await closed.promise
          })
        ])
        await attack(member, attacker)
        await closed.promise
        await expectNoTrace(member, attacker)
      }
      const friend = await startNode(await memberCredentials(), init)
      await connect(friend, member)
    })

    test('passes 12 parallel dials in both directions, each with a working connection', async () => {
      // With the time that an admission has by default: thirteen peers share one thread here, and the
      // end of what one dialler took for admitted is what a listener does whose time is up.
      const patient = { encrypters: [encrypter] }
      const hub = await startNode(await memberCredentials(), patient)
      const spokes = await Promise.all(
        Array.from({ length: 12 }, async () => await startNode(await memberCredentials(), patient))
      )
      await Promise.all(
        spokes.map(async (spoke, index) => {
          await (index % 2 === 0 ? connect(spoke, hub) : connect(hub, spoke))
        })
      )
      expect(hub.door?.admitted.size).toBe(12)
      await expect.poll(() => new Set(hub.identified).size).toBe(12)
    })

    test('works under a pre-shared key, which also hides the handshake', async () => {
      const hidden = { ...init, privateNetwork: true }
      const a = await startNode(await memberCredentials(), hidden)
      const b = await startNode(await memberCredentials(), hidden)
      await connect(a, b)
      const outside = await startNode(await memberCredentials(), init)
      const dial = outside.node.dial(a.node.getMultiaddrs(), { signal: AbortSignal.timeout(500) })
      await expect(dial).rejects.toThrow()
      await expectNoTrace(a, outside)
    })
  })
}

describe('admission', () => {
  test('rotates a secret through an overlap without a stop, then cuts the old one', async () => {
    const next = 'the next secret is longer'
    const keys = [await memberCredentials(), await memberCredentials(), await memberCredentials()]
    const [first, second, third] = keys
    if (first === undefined || second === undefined || third === undefined) {
      throw new Error('unreachable')
    }
    const a = await startNode(first)
    const b = await startNode(second)
    const c = await startNode(third)
    await connect(a, b)
    await connect(a, c)
    await first.rotate({ current: secret, next })
    await connect(c, a)
    await second.rotate({ current: secret, next })
    // Connected peers are told of the new certificates, or they would be cut in the next step.
    await a.door?.admitted.renew(b.peer, await second.certificates())
    await first.rotate(next)
    // c was left behind with the old secret and is cut.
    await expect.poll(() => a.node.getConnections(c.node.peerId).length).toBe(0)
    expect(a.node.getConnections(b.node.peerId)).toHaveLength(1)
    await a.node.hangUp(b.node.peerId)
    await expect.poll(() => b.node.getConnections(a.node.peerId).length).toBe(0)
    await connect(b, a)
    await b.node.hangUp(a.node.peerId)
    await expect.poll(() => a.node.getConnections(b.node.peerId).length).toBe(0)
    await connect(a, b)
    expect(notAdmittedError(await refused(c, a))?.message).toContain('(wrong-root)')
  })

  test('admits through a delegate; revoking cuts a peer at once and keeps it out', async () => {
    const rootKey = await generateKeyPair('Ed25519')
    const delegateKey = await generateKeyPair('Ed25519')
    const times = { notBefore: 0, notAfter: Date.now() + day }
    const delegate = await issueDelegate(rootKey, {
      cluster,
      delegate: delegateKey.publicKey,
      roles: ['member'],
      serial: 'd',
      ...times
    })
    const make = async (serial: string) => {
      const privateKey = await generateKeyPair('Ed25519')
      const peer = privateKey.publicKey
      const issue = { cluster, peer, roles: ['member'] as const, serial, delegate, ...times }
      const certificate = await issueCertificate(delegateKey, issue)
      const rootPublicKey = rootKey.publicKey
      return await credentialsFromCertificate({ cluster, rootPublicKey, certificate, privateKey })
    }
    const credentials = await make('1')
    const a = await startNode(credentials)
    const b = await startNode(await make('2'))
    const c = await startNode(await make('3'))
    await connect(a, b)
    await connect(c, a)
    expect(a.door?.admitted.certificateOf(b.peer)?.serial).toBe('2')
    credentials.revoke(b.peer)
    await expect.poll(() => a.node.getConnections(b.node.peerId).length).toBe(0)
    expect(notAdmittedError(await refused(b, a))?.message).toContain('(revoked)')
    expect(a.node.getConnections(c.node.peerId)).toHaveLength(1)
    credentials.raiseEpoch(1)
    await expect.poll(() => a.node.getConnections().length).toBe(0)
    expect(notAdmittedError(await refused(c, a))?.message).toContain('(old-epoch)')
  })

  test('sweeps peers whose certificate expired, and spares those that renewed', async () => {
    const rootKey = await generateKeyPair('Ed25519')
    let now = 1_000_000
    const clock = { now: () => now, monotonic: () => now, schedule }
    const make = async () => {
      const privateKey = await generateKeyPair('Ed25519')
      const peer = privateKey.publicKey
      const issue = async (notAfter: number) => {
        const roles = ['member'] as const
        const [notBefore, serial] = [900_000, String(notAfter)]
        const init = { cluster, peer, roles, notBefore, notAfter, serial }
        return await issueCertificate(rootKey, init)
      }
      const certificate = await issue(2_000_000)
      const init = { cluster, rootPublicKey: rootKey.publicKey, certificate, privateKey, clock }
      return { issue, credentials: await credentialsFromCertificate(init) }
    }
    const [hub, loyal, lazy, gone] = [await make(), await make(), await make(), await make()]
    const a = await startNode(hub.credentials)
    const b = await startNode(loyal.credentials)
    const c = await startNode(lazy.credentials)
    await connect(b, a)
    await connect(c, a)
    expect(await a.door?.admitted.sweep()).toEqual([])
    // A clock that is set back does not take back what has been admitted, and keeps nobody in.
    now = 800_000
    expect(await a.door?.admitted.sweep()).toEqual([])
    const d = await startNode(gone.credentials)
    now = 1_000_000
    await connect(d, a)
    now = 800_000
    hub.credentials.revoke(d.peer)
    await expect.poll(() => a.node.getConnections(d.node.peerId).length).toBe(0)
    now = 1_000_000
    await a.door?.admitted.renew(b.peer, [await loyal.issue(3_000_000)])
    now = 2_000_001
    expect(await a.door?.admitted.sweep()).toEqual([c.peer])
    await expect.poll(() => a.node.getConnections(c.node.peerId).length).toBe(0)
    expect(a.node.getConnections(b.node.peerId)).toHaveLength(1)
    await expect(a.door?.admitted.renew(c.peer, [await lazy.issue(3_000_000)])).rejects.toThrow(
      /not connected/
    )
  })

  test('keeps clusters with and without a secret apart', async () => {
    const a = await startNode(await open(cluster))
    const b = await startNode(await open(cluster))
    await connect(a, b)
    await expectStranger(a, await startNode(await open('desert')), 'wrong-cluster')
    await expectStranger(a, await startNode(await memberCredentials()), 'wrong-root')
  })

  test('refuses further peers when it is full, and admits again when one has left', async () => {
    const hub = await startNode(await memberCredentials(), { admittedMax: 1 })
    const a = await startNode(await memberCredentials())
    const b = await startNode(await memberCredentials())
    await connect(a, hub)
    expect(notAdmittedError(await refused(b, hub))?.message).toContain('(full)')
    expect(notAdmittedError(await refused(hub, b))?.message).toContain('(full)')
    await expectNoTrace(hub, b)
    await a.node.stop()
    await expect.poll(() => hub.door?.admitted.size).toBe(0)
    await connect(b, hub)
  })

  test('does not start a node whose key is not that of its credentials', async () => {
    const credentials = await memberCredentials()
    const privateKey = await generateKeyPair('Ed25519')
    await expect(startNode({ ...credentials, privateKey })).rejects.toThrow(/private key/)
  })

  test('denies peers that a transport brings in past the encrypters', async () => {
    const member = await startNode(await memberCredentials())
    const stranger = await startPlain([encrypters.noise])
    const deny = member.door?.connectionGater.denyInboundUpgradedConnection
    const friend = await startNode(await memberCredentials())
    await connect(friend, member)
    const [, raw] = multiaddrConnectionPair()
    expect(await deny?.(stranger.node.peerId, raw)).toBe(true)
    expect(await deny?.(friend.node.peerId, raw)).toBe(false)
  })
})

async function open(name: string): Promise<Credentials> {
  return await openCredentials({ cluster: name, privateKey: await generateKeyPair('Ed25519') })
}

function schedule(delayMs: number, task: () => void): () => void {
  const timer = setTimeout(task, delayMs)
  return () => clearTimeout(timer)
}
