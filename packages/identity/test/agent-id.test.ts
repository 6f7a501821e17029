import fc from 'fast-check'
import { peerIdFromPrivateKey } from '@libp2p/peer-id'
import { generateKeyPair } from '@libp2p/crypto/keys'
import { describe, expect, test } from 'vitest'
import { agentId, isSelfCertifying, parseAgentId, peerOf } from '../src/index.ts'
import { peerOfPublicKey, publicKeyOfPeer } from '../src/core/peer-name.ts'
import { keyOf } from './keys.ts'

describe('agent ids', () => {
  test('are namespace, type and key, with a default namespace', () => {
    expect(agentId('sensor', 'kitchen 1')).toBe('default/sensor/kitchen 1')
    expect(agentId('sensor', 'Küche', 'home.v1')).toBe('home.v1/sensor/Küche')
    expect(parseAgentId('home/sensor/Küche')).toEqual({
      namespace: 'home',
      type: 'sensor',
      key: 'Küche'
    })
  })

  test('come back from text as they went in, for all valid parts', () => {
    const segment = fc.stringMatching(/^[a-z0-9][a-z0-9\-_.]{0,63}$/)
    const key = fc
      .string({ minLength: 1, maxLength: 60, unit: 'grapheme' })
      // oxlint-disable-next-line no-control-regex
      .filter((text) => !/[\u0000-\u001f\u007f-\u009f\u2028\u2029/]/.test(text))
    fc.assert(
      fc.property(segment, segment, key, (namespace, type, name) => {
        expect(parseAgentId(agentId(type, name, namespace))).toEqual({ namespace, type, key: name })
      })
    )
  })

  test('parse to what they are made of, or not at all, whatever the text', () => {
    const units = ['a', 'z9', '-', '_.', '/', '/a/', 'A', 'é', ' ', '\n', '\u0085', '\ud800']
    fc.assert(
      fc.property(fc.string({ unit: fc.constantFrom(...units), maxLength: 12 }), (text) => {
        let parts
        try {
          parts = parseAgentId(text)
        } catch (error) {
          expect(error instanceof Error && error.name).toBe('InvalidParametersError')
          return
        }
        expect(agentId(parts.type, parts.key, parts.namespace)).toBe(text)
      }),
      { numRuns: 500 }
    )
  })

  test.each([
    ['an upper case type', 'Sensor', 'a', 'default'],
    ['an empty type', '', 'a', 'default'],
    ['a type that begins with a dot', '.a', 'a', 'default'],
    ['a long type', 'a'.repeat(65), 'a', 'default'],
    ['a slash in the namespace', 'a', 'a', 'a/b'],
    ['a slash in the key', 'a', 'a/b', 'default'],
    ['an empty key', 'a', '', 'default'],
    ['a long key', 'a', 'ü'.repeat(129), 'default'],
    ['a line feed in the key', 'a', 'a\nb', 'default'],
    ['a C1 control in the key', 'a', 'a\u0085b', 'default'],
    ['half of a surrogate pair', 'a', '\ud800', 'default']
  ])('refuse %s', (_, type, key, namespace) => {
    expect(() => agentId(type, key, namespace)).toThrow(
      expect.objectContaining({ code: 'ERR_INVALID_PARAMETERS' })
    )
    expect(() => parseAgentId(`${namespace}/${type}/${key}`)).toThrow(
      expect.objectContaining({ code: 'ERR_INVALID_PARAMETERS' })
    )
  })

  test('allow the longest parts', () => {
    const id = agentId('a'.repeat(64), 'ü'.repeat(128), 'b'.repeat(64))
    expect(parseAgentId(id).key).toHaveLength(128)
  })

  test('certify themselves when the key part is the PeerId of the owner', async () => {
    const owner = await keyOf(1)
    const id = agentId('wallet', peerOf(owner.publicKey))
    expect(isSelfCertifying(id, owner.publicKey)).toBe(true)
    expect(isSelfCertifying(id, peerIdFromPrivateKey(owner))).toBe(true)
    expect(isSelfCertifying(id, peerOf(owner.publicKey))).toBe(true)
    expect(isSelfCertifying(id, (await keyOf(2)).publicKey)).toBe(false)
    expect(isSelfCertifying(agentId('wallet', 'x'), owner.publicKey)).toBe(false)
    expect(isSelfCertifying('default/wallet/x', 'x')).toBe(false)
    expect(isSelfCertifying('nonsense', owner.publicKey)).toBe(false)
  })
})

describe('names of keys', () => {
  test('agree with libp2p in both directions', async () => {
    for (const seed of [0, 1, 7, 255]) {
      const key = await keyOf(seed)
      const text = peerIdFromPrivateKey(key).toString()
      expect(peerOfPublicKey(key.publicKey.raw)).toBe(text)
      expect(publicKeyOfPeer(text)).toEqual(key.publicKey.raw)
    }
  })

  test('are refused for other kinds of keys and for nonsense', async () => {
    const other = await generateKeyPair('secp256k1')
    expect(() => peerOf(other.publicKey)).toThrow(/Ed25519/)
    expect(() => peerOf(peerIdFromPrivateKey(other))).toThrow(/Ed25519/)
    for (const text of ['', '0OIl', '12D3KooW', 'Qm'.repeat(23), 'x'.repeat(10_000)]) {
      expect(() => peerOf(text)).toThrow(/Ed25519/)
    }
  })
})
