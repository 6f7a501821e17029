import { describe, expect, test } from 'vitest'
import { createInvitation, createIssuer, peerOf, readInvitation } from '../src/index.ts'
import { openGrant } from '../src/invitation.ts'
import { keyOf } from './keys.ts'

const cluster = 'forest'
const hour = 3_600_000

async function invite(change: { now?: number; ttlMs?: number; seed?: number } = {}) {
  const rootKey = await keyOf(change.seed ?? 1)
  const clock = { now: () => change.now ?? 1_700_000_000_000 }
  const issuer = createIssuer({ cluster, privateKey: rootKey, clock })
  const at = peerOf((await keyOf(2)).publicKey)
  const line = await createInvitation({
    issuer,
    roots: [rootKey.publicKey],
    at,
    addresses: ['/ip4/10.0.0.1/tcp/4001'],
    roles: ['edge'],
    ttlMs: change.ttlMs ?? hour
  })
  return { issuer, at, line, invitation: await readInvitation(line) }
}

describe('an invitation', () => {
  test('is one line that says where to go, and its grant what its bearer gets', async () => {
    const { issuer, at, line, invitation } = await invite()
    expect(line).toMatch(/^murmuration-invite-1\.[\w-]{300,1500}$/)
    expect(invitation).toMatchObject({ cluster, addresses: ['/ip4/10.0.0.1/tcp/4001'] })
    expect(invitation.roots).toEqual([issuer.name])
    const bearer = peerOf(invitation.bearerKey.publicKey)
    const opened = await openGrant(invitation.grant, { issuer, self: at, bearer })
    expect(opened).toMatchObject({ roles: ['edge'], notAfter: 1_700_000_000_000 + hour })
  })

  test('holds for no other bearer, at no other peer, for no other key or cluster, and not for ever', async () => {
    const { issuer, at, invitation } = await invite()
    const bearer = peerOf(invitation.bearerKey.publicKey)
    const other = peerOf((await keyOf(9)).publicKey)
    const later = { ...issuer, clock: { now: () => 1_700_000_000_001 + hour } }
    const wrong = [
      { issuer, self: at, bearer: other },
      { issuer, self: other, bearer },
      { issuer: (await invite({ seed: 5 })).issuer, self: at, bearer },
      { issuer: { ...issuer, cluster: 'desert' }, self: at, bearer },
      { issuer: later, self: at, bearer }
    ]
    for (const context of wrong) {
      expect(await openGrant(invitation.grant, context)).toBeUndefined()
    }
    for (let index = 0; index < invitation.grant.length; index++) {
      const changed = invitation.grant.slice()
      changed[index] = (changed[index] ?? 0) ^ 1
      expect(await openGrant(changed, { issuer, self: at, bearer })).toBeUndefined()
    }
  })

  test('that is damaged or none is refused by name', async () => {
    const { line } = await invite()
    const invalid = { name: 'InvalidParametersError' }
    for (const text of ['', 'hello', line.slice(0, 80), `${line.slice(0, 40)}!${line.slice(41)}`]) {
      await expect(readInvitation(text)).rejects.toMatchObject(invalid)
    }
    const issuer = createIssuer({ cluster, privateKey: await keyOf(1) })
    const init = { issuer, roots: [issuer.name], at: issuer.name, addresses: [] }
    await expect(createInvitation(init)).rejects.toMatchObject(invalid)
    expect(() => createIssuer({ cluster, privateKey: issuer.privateKey, ttlMs: 1 })).toThrow(
      /ttlMs/
    )
  })
})
