import { expect, test } from 'vitest'
import { toString } from 'uint8arrays/to-string'
import type { View } from '@murmuration/interface'
import { Accept, Beat, Chain, Decided, Question, Vote } from '../src/core/messages.ts'
import { pack, packAll, unpackAll } from '../src/core/packing.ts'
import { StoredAcceptor, StoredDecision, StoredHead, StoredSelf } from '../src/core/records.ts'
import { nextDecision } from '../src/core/view-change.ts'

const standing = {
  cluster: 'c',
  lineage: 'p#1',
  number: 2,
  settled: 1,
  size: 1,
  incarnation: '1',
  boot: 3
}
const member = {
  peer: 'p',
  incarnation: '1',
  addresses: ['/x'],
  labels: { zone: 'z' },
  weight: 100,
  roles: ['member'],
  protocols: { lowest: 1, highest: 1 },
  since: 1
} as const
const view: View = {
  cluster: 'c',
  number: 1,
  members: [member],
  tieBreaker: 'p',
  placement: { hash: 'sha256-hrw-1', slots: 16, zoneLabel: 'zone' },
  leaseMs: 1500,
  protocols: { lowest: 1, highest: 1 },
  revoked: { peers: ['q'], serials: ['s'] },
  unsafe: [{ view: 1, base: 0, by: 'p', reason: 'r' }]
}
const ballot = { counter: 1, proposer: 'p#1#3' }
const proof = { ballot, votes: Uint8Array.of(1), graceMs: 7 }
const join = [{ ...member, peer: 'q2', after: 0 }]
const next = { ...nextDecision(view, { join, remove: [], leave: [], advance: false }), proof }

/** Peers of the next version must read these, and write nothing that this one cannot read. */
test('messages and records have the bytes that were agreed', () => {
  const packed = pack(view, next)
  const texts = {
    beat: Beat.encode({ standing, reports: Uint8Array.of(1), charges: [0, 1, 1, 0], grants: true }),
    accept: Accept.encode({ standing, number: 2, ballot, decision: packed, removes: ['q'] }),
    vote: Vote.encode({ standing, status: 'yes', graceMs: 7 }),
    decided: Decided.encode({ standing, decision: packed }),
    question: Question.encode({ standing, after: 1 }),
    chain: Chain.encode({ standing, decisions: packAll(undefined, [{ view, left: [] }, next]) }),
    storedDecision: StoredDecision.encode({ view, left: [], proof }),
    storedAcceptor: StoredAcceptor.encode({ number: 2, promised: ballot }),
    storedHead: StoredHead.encode({ lineage: 'p#1', settled: 1 }),
    storedSelf: StoredSelf.encode({ incarnation: '1', boot: 3 })
  }
  const shown = Object.entries(texts).map(([name, bytes]) => `${name} ${toString(bytes, 'base64')}`)
  expect(shown.join('\n')).toMatchInlineSnapshot(`
    "beat pGZncmFudHP1Z2NoYXJnZXOEAAEBAGdyZXBvcnRzQQFoc3RhbmRpbmenZGJvb3QDZHNpemUBZm51bWJlcgJnY2x1c3RlcmFjZ2xpbmVhZ2VjcCMxZ3NldHRsZWQBa2luY2FybmF0aW9uYTE
    accept pWZiYWxsb3SiZ2NvdW50ZXIBaHByb3Bvc2VyZXAjMSMzZm51bWJlcgJncmVtb3Zlc4FhcWhkZWNpc2lvbqNkbGVmdIBlZGVsdGGqY3B1dIGoZHBlZXJicTJlcm9sZXOBZm1lbWJlcmVzaW5jZQJmbGFiZWxzoWR6b25lYXpmd2VpZ2h0GGRpYWRkcmVzc2VzgWIveGlwcm90b2NvbHOiZmxvd2VzdAFnaGlnaGVzdAFraW5jYXJuYXRpb25hMWRiYXNlAWRkcm9wgGZudW1iZXICZnVuc2FmZYGkYmJ5YXBkYmFzZQBkdmlldwFmcmVhc29uYXJnbGVhc2VNcxkF3GdyZXZva2VkomVwZWVyc4FhcWdzZXJpYWxzgWFzaXBsYWNlbWVudKNkaGFzaGxzaGEyNTYtaHJ3LTFlc2xvdHMQaXpvbmVMYWJlbGR6b25laXByb3RvY29sc6JmbG93ZXN0AWdoaWdoZXN0AWp0aWVCcmVha2VyYXBlcHJvb2ajZXZvdGVzQQFmYmFsbG90omdjb3VudGVyAWhwcm9wb3NlcmVwIzEjM2dncmFjZU1zB2hzdGFuZGluZ6dkYm9vdANkc2l6ZQFmbnVtYmVyAmdjbHVzdGVyYWNnbGluZWFnZWNwIzFnc2V0dGxlZAFraW5jYXJuYXRpb25hMQ
    vote o2ZzdGF0dXNjeWVzZ2dyYWNlTXMHaHN0YW5kaW5np2Rib290A2RzaXplAWZudW1iZXICZ2NsdXN0ZXJhY2dsaW5lYWdlY3AjMWdzZXR0bGVkAWtpbmNhcm5hdGlvbmEx
    decided omhkZWNpc2lvbqNkbGVmdIBlZGVsdGGqY3B1dIGoZHBlZXJicTJlcm9sZXOBZm1lbWJlcmVzaW5jZQJmbGFiZWxzoWR6b25lYXpmd2VpZ2h0GGRpYWRkcmVzc2VzgWIveGlwcm90b2NvbHOiZmxvd2VzdAFnaGlnaGVzdAFraW5jYXJuYXRpb25hMWRiYXNlAWRkcm9wgGZudW1iZXICZnVuc2FmZYGkYmJ5YXBkYmFzZQBkdmlldwFmcmVhc29uYXJnbGVhc2VNcxkF3GdyZXZva2VkomVwZWVyc4FhcWdzZXJpYWxzgWFzaXBsYWNlbWVudKNkaGFzaGxzaGEyNTYtaHJ3LTFlc2xvdHMQaXpvbmVMYWJlbGR6b25laXByb3RvY29sc6JmbG93ZXN0AWdoaWdoZXN0AWp0aWVCcmVha2VyYXBlcHJvb2ajZXZvdGVzQQFmYmFsbG90omdjb3VudGVyAWhwcm9wb3NlcmVwIzEjM2dncmFjZU1zB2hzdGFuZGluZ6dkYm9vdANkc2l6ZQFmbnVtYmVyAmdjbHVzdGVyYWNnbGluZWFnZWNwIzFnc2V0dGxlZAFraW5jYXJuYXRpb25hMQ
    question omVhZnRlcgFoc3RhbmRpbmenZGJvb3QDZHNpemUBZm51bWJlcgJnY2x1c3RlcmFjZ2xpbmVhZ2VjcCMxZ3NldHRsZWQBa2luY2FybmF0aW9uYTE
    chain omhzdGFuZGluZ6dkYm9vdANkc2l6ZQFmbnVtYmVyAmdjbHVzdGVyYWNnbGluZWFnZWNwIzFnc2V0dGxlZAFraW5jYXJuYXRpb25hMWlkZWNpc2lvbnOComRsZWZ0gGR2aWV3qWZudW1iZXIBZnVuc2FmZYGkYmJ5YXBkYmFzZQBkdmlldwFmcmVhc29uYXJnY2x1c3RlcmFjZ2xlYXNlTXMZBdxnbWVtYmVyc4GoZHBlZXJhcGVyb2xlc4FmbWVtYmVyZXNpbmNlAWZsYWJlbHOhZHpvbmVhemZ3ZWlnaHQYZGlhZGRyZXNzZXOBYi94aXByb3RvY29sc6JmbG93ZXN0AWdoaWdoZXN0AWtpbmNhcm5hdGlvbmExZ3Jldm9rZWSiZXBlZXJzgWFxZ3NlcmlhbHOBYXNpcGxhY2VtZW50o2RoYXNobHNoYTI1Ni1ocnctMWVzbG90cxBpem9uZUxhYmVsZHpvbmVpcHJvdG9jb2xzomZsb3dlc3QBZ2hpZ2hlc3QBanRpZUJyZWFrZXJhcKNkbGVmdIBlZGVsdGGqY3B1dIGoZHBlZXJicTJlcm9sZXOBZm1lbWJlcmVzaW5jZQJmbGFiZWxzoWR6b25lYXpmd2VpZ2h0GGRpYWRkcmVzc2VzgWIveGlwcm90b2NvbHOiZmxvd2VzdAFnaGlnaGVzdAFraW5jYXJuYXRpb25hMWRiYXNlAWRkcm9wgGZudW1iZXICZnVuc2FmZYGkYmJ5YXBkYmFzZQBkdmlldwFmcmVhc29uYXJnbGVhc2VNcxkF3GdyZXZva2VkomVwZWVyc4FhcWdzZXJpYWxzgWFzaXBsYWNlbWVudKNkaGFzaGxzaGEyNTYtaHJ3LTFlc2xvdHMQaXpvbmVMYWJlbGR6b25laXByb3RvY29sc6JmbG93ZXN0AWdoaWdoZXN0AWp0aWVCcmVha2VyYXBlcHJvb2ajZXZvdGVzQQFmYmFsbG90omdjb3VudGVyAWhwcm9wb3NlcmVwIzEjM2dncmFjZU1zBw
    storedDecision o2RsZWZ0gGR2aWV3qWZudW1iZXIBZnVuc2FmZYGkYmJ5YXBkYmFzZQBkdmlldwFmcmVhc29uYXJnY2x1c3RlcmFjZ2xlYXNlTXMZBdxnbWVtYmVyc4GoZHBlZXJhcGVyb2xlc4FmbWVtYmVyZXNpbmNlAWZsYWJlbHOhZHpvbmVhemZ3ZWlnaHQYZGlhZGRyZXNzZXOBYi94aXByb3RvY29sc6JmbG93ZXN0AWdoaWdoZXN0AWtpbmNhcm5hdGlvbmExZ3Jldm9rZWSiZXBlZXJzgWFxZ3NlcmlhbHOBYXNpcGxhY2VtZW50o2RoYXNobHNoYTI1Ni1ocnctMWVzbG90cxBpem9uZUxhYmVsZHpvbmVpcHJvdG9jb2xzomZsb3dlc3QBZ2hpZ2hlc3QBanRpZUJyZWFrZXJhcGVwcm9vZqNldm90ZXNBAWZiYWxsb3SiZ2NvdW50ZXIBaHByb3Bvc2VyZXAjMSMzZ2dyYWNlTXMH
    storedAcceptor omZudW1iZXICaHByb21pc2Vkomdjb3VudGVyAWhwcm9wb3NlcmVwIzEjMw
    storedHead omdsaW5lYWdlY3AjMWdzZXR0bGVkAQ
    storedSelf omRib290A2tpbmNhcm5hdGlvbmEx"
  `)
})

test('what travels is what changed, and comes out as it was', () => {
  const decisions = [{ view, left: [] }, next]
  const { decisions: packed } = Chain.decode(
    Chain.encode({ standing, decisions: packAll(undefined, decisions) })
  )
  expect(packed[1]?.view).toBeUndefined()
  expect(packed[1]?.delta).toMatchObject({ base: 1, number: 2, put: [{ peer: 'q2' }], drop: [] })
  expect(unpackAll(undefined, packed)).toEqual(decisions)
  expect(unpackAll(view, packed.slice(1))).toEqual([next])
  expect(unpackAll(undefined, packed.slice(1))).toBeUndefined()
  expect(unpackAll({ ...view, number: 5 }, packed.slice(1))).toBeUndefined()
})
