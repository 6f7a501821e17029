import fc from 'fast-check'
import { generateKeyPair } from '@libp2p/crypto/keys'
import { toString } from 'uint8arrays/to-string'
import { describe, expect, test } from 'vitest'
import { claimedSigner, createOpener, createSealer } from '../src/index.ts'
import { createOpenerOver } from '../src/sealing.ts'
import { createSigner, createVerifier } from '../src/signing.ts'
import { keyOf, peerOfSeed } from './keys.ts'

const payload = new TextEncoder().encode('hello')
const invalid = expect.objectContaining({
  name: 'InvalidSignatureError',
  code: 'ERR_INVALID_SIGNATURE'
})

async function sealed(domain = 'signals', seed = 1): Promise<Uint8Array> {
  const sealer = createSealer({ privateKey: await keyOf(seed), clock: { now: () => 1234.5 } })
  return await sealer.seal({ domain, type: 'batch', sequence: 7, payload })
}

describe('envelopes', () => {
  test('open to what was sealed, with the signer named by its key', async () => {
    const envelope = await createOpener().open(await sealed(), { domain: 'signals' })
    expect(envelope).toEqual({
      signer: await peerOfSeed(1),
      domain: 'signals',
      type: 'batch',
      sequence: 7,
      time: 1234,
      payload
    })
  })

  test('have golden bytes', async () => {
    expect(toString(await sealed(), 'base16')).toMatchInlineSnapshot(
      `"01a3abf6b86fad3f846202b1020f64b5a69b8e33e26793beb470cc058f541d006cde9911b5f5f5df8e3c5c770cb111b65df5f0c68a18ad2cc596c65d6453c9810da56474696d651904d26474797065656261746368667369676e657258208a88e3dd7409f195fd52db2d3cba5d72ca6709bf1d94121bf3748801b40f6f5c677061796c6f61644568656c6c6f6873657175656e636507"`
    )
  })

  test('do not open in another domain, also when they are remembered', async () => {
    const opener = createOpener()
    const bytes = await sealed('signals')
    await expect(opener.open(bytes, { domain: 'records' })).rejects.toThrow(invalid)
    await opener.open(bytes, { domain: 'signals' })
    await expect(opener.open(bytes, { domain: 'records' })).rejects.toThrow(invalid)
  })

  test('do not open with any bit flipped', async () => {
    const opener = createOpener()
    const bytes = await sealed()
    await opener.open(bytes, { domain: 'signals' })
    const mutants = Array.from({ length: bytes.length * 8 }, (_, bit) => {
      const mutant = Uint8Array.from(bytes)
      mutant[bit >> 3] = (mutant[bit >> 3] ?? 0) ^ (1 << (bit & 7))
      return mutant
    })
    const results = await opener.openAll(mutants, { domain: 'signals' })
    expect(results.filter((result) => result.status === 'opened')).toEqual([])
  })

  test('do not open when cut, lengthened, or replaced by arbitrary bytes', async () => {
    const opener = createOpener()
    const bytes = await sealed()
    for (let length = 0; length < bytes.length; length += 1) {
      await expect(opener.open(bytes.slice(0, length), { domain: 'signals' })).rejects.toThrow(
        invalid
      )
    }
    const longer = Uint8Array.of(...bytes, 0)
    await expect(opener.open(longer, { domain: 'signals' })).rejects.toThrow(invalid)
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ maxLength: 300 }), async (noise) => {
        await expect(opener.open(noise, { domain: 'signals' })).rejects.toThrow(invalid)
        const tail = Uint8Array.of(...bytes.slice(0, 65), ...noise)
        await expect(opener.open(tail, { domain: 'signals' })).rejects.toThrow(invalid)
      })
    )
  })

  test('are refused over the size limit of the reader and of the writer', async () => {
    const bytes = await sealed()
    const bytesMax = bytes.length
    await createOpener().open(bytes, { domain: 'signals', bytesMax })
    await expect(
      createOpener().open(bytes, { domain: 'signals', bytesMax: bytesMax - 1 })
    ).rejects.toThrow(invalid)
    const sealer = createSealer({ privateKey: await keyOf(1) })
    const large = new Uint8Array(1_048_576)
    const seal = sealer.seal({ domain: 'a', type: 'b', sequence: 0, payload: large })
    await expect(seal).rejects.toMatchObject({ code: 'ERR_MESSAGE_TOO_LARGE' })
    const fits = new Uint8Array(1_048_000)
    const sealedLarge = await sealer.seal({ domain: 'a', type: 'b', sequence: 0, payload: fits })
    expect((await createOpener().open(sealedLarge, { domain: 'a' })).payload).toHaveLength(
      1_048_000
    )
  })

  test('are not made from wrong parameters', async () => {
    const sealer = createSealer({ privateKey: await keyOf(1) })
    const good = { domain: 'a', type: 'b', sequence: 0, payload }
    for (const bad of [
      { ...good, domain: '' },
      { ...good, domain: 'a'.repeat(129) },
      { ...good, type: 'a'.repeat(129) },
      { ...good, sequence: -1 },
      { ...good, sequence: 0.5 }
    ]) {
      await expect(sealer.seal(bad)).rejects.toMatchObject({ code: 'ERR_INVALID_PARAMETERS' })
    }
    const privateKey = await generateKeyPair('secp256k1')
    expect(() => createSealer({ privateKey })).toThrow(/Ed25519/)
    expect(() => createOpener({ cacheMax: -1 })).toThrow(/cacheMax/)
  })

  test('of a batch come back in order, the invalid ones as values', async () => {
    const batch: Uint8Array[] = []
    for (let seed = 0; seed < 40; seed += 1) {
      batch.push(await sealed(seed % 5 === 4 ? 'other' : 'signals', seed))
    }
    const opener = createOpener({ cacheMax: 8 })
    const results = await opener.openAll(batch, { domain: 'signals' })
    expect(results).toHaveLength(40)
    for (const [seed, result] of results.entries()) {
      if (result.status === 'opened') {
        expect(result.envelope.signer).toBe(await peerOfSeed(seed))
      } else {
        expect(seed % 5).toBe(4)
        expect(result.error).toEqual(invalid)
      }
    }
    expect(await opener.openAll([], { domain: 'signals' })).toEqual([])
    await expect(opener.openAll([], { domain: '' })).rejects.toThrow(/domain/)
  })

  test('cost no second verification while they are remembered', async () => {
    const real = createVerifier()
    let verified = 0
    const count = (...args: Parameters<typeof real.verifyAside>): Promise<boolean> => {
      verified += 1
      return real.verifyAside(...args)
    }
    const opener = createOpenerOver({ verify: count, verifyAside: count }, { cacheMax: 2 })
    const [a, b, c] = [await sealed('s', 1), await sealed('s', 2), await sealed('s', 3)]
    const open = async (bytes: Uint8Array): Promise<number> => {
      await opener.open(bytes, { domain: 's' })
      return verified
    }
    expect([await open(a), await open(b), await open(a), await open(b)]).toEqual([1, 2, 2, 2])
    // The third pushes out the one that was not used for the longest time.
    expect([await open(a), await open(c), await open(a), await open(b)]).toEqual([2, 3, 3, 4])
    await expect(opener.open(a, { domain: 't' })).rejects.toThrow(invalid)
    expect(verified).toBe(5)
  })

  test('name a signer without a proof, so that they can be refused early', async () => {
    const bytes = await sealed()
    expect(claimedSigner(bytes)).toBe(await peerOfSeed(1))
    const forged = Uint8Array.from(bytes)
    // Within the signature: it claims the same and holds no more.
    forged[5] = (forged[5] ?? 0) ^ 1
    expect(claimedSigner(forged)).toBe(await peerOfSeed(1))
    await expect(createOpener().open(forged, { domain: 'signals' })).rejects.toThrow(invalid)
    for (const length of [0, 1, 64, 70, bytes.length - 1]) {
      expect(claimedSigner(bytes.subarray(0, length))).toBeUndefined()
    }
  })
})

describe('signatures', () => {
  test('are the same with and without node:crypto, and hold under both', async () => {
    const key = await keyOf(3)
    const message = new TextEncoder().encode('message')
    const fast = createSigner(key)
    const portable = createSigner(key, null)
    const signature = await fast.sign(message)
    expect(Uint8Array.from(await portable.sign(message))).toEqual(Uint8Array.from(signature))
    for (const { verify, verifyAside } of [createVerifier(), createVerifier(null)]) {
      for (const check of [verify, verifyAside]) {
        expect(await check(fast.publicKey, message, signature)).toBe(true)
        expect(await check(fast.publicKey, message.slice(1), signature)).toBe(false)
        expect(await check((await keyOf(4)).publicKey.raw, message, signature)).toBe(false)
        expect(await check(fast.publicKey, message, signature.slice(1))).toBe(false)
        expect(await check(fast.publicKey.slice(1), message, signature)).toBe(false)
        expect(await check(new Uint8Array(32).fill(255), message, signature)).toBe(false)
      }
    }
  })
})
