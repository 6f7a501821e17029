import { generateKeyPair } from '@libp2p/crypto/keys'
import { peerOf } from '@murmuration/identity'
import { describe, expect, it } from 'vitest'
import { BatchSeal } from '../src/batches.ts'
import { createSignalSigner } from '../src/signer.ts'
import type { SignalSigner } from '../src/signer.ts'
import { encodeSignal } from '../src/core/wire.ts'

const channel = '/default/signals/1/to/b'
const clock = { now: () => 1_000 }

function sealOf(signer: SignalSigner): BatchSeal {
  return new BatchSeal({ signer, cluster: 'default', boot: () => 1, members: undefined })
}

async function setup() {
  const privateKey = await generateKeyPair('Ed25519')
  const signer = createSignalSigner({ privateKey, clock })
  const signal = encodeSignal({ specversion: '1.0', id: '1', source: '/x', type: 'a', data: 1 })
  const batch = { channel, first: 1, since: 1, attempt: 0, signals: [signal] }
  const bytes = await sealOf(signer).seal(batch)
  let verified = 0
  const counting = {
    ...signer,
    open: (envelope: Uint8Array) => {
      verified++
      return signer.open(envelope)
    }
  }
  return {
    author: peerOf(privateKey.publicKey),
    bytes,
    seal: sealOf(counting),
    counting,
    verified: () => verified
  }
}

describe('a batch that an author hands over itself', () => {
  it('is refused before it is verified where another one is named as its author', async () => {
    const { bytes, seal, verified } = await setup()
    expect(await seal.openFrom('somebody else', bytes, channel)).toBe('not-the-caller')
    expect(verified()).toBe(0)
  })

  it('is verified where the author is named, since a name proves nothing', async () => {
    const { author, bytes, seal, verified } = await setup()
    expect(await seal.openFrom(author, bytes, channel)).toMatchObject({ author, count: 1 })
    const forged = Uint8Array.from(bytes)
    forged[5] = (forged[5] ?? 0) ^ 1
    expect(await seal.openFrom(author, forged, channel)).toBe('forged')
    expect(verified()).toBe(2)
  })

  it('is refused also where the signer does not tell whom an envelope names', async () => {
    const { bytes, counting } = await setup()
    const silent: SignalSigner = { seal: (...all) => counting.seal(...all), open: counting.open }
    expect(await sealOf(silent).openFrom('somebody else', bytes, channel)).toBe('not-the-caller')
  })
})
