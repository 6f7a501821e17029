import { createSimulation } from '@murmuration/testkit'
import { expect, test } from 'vitest'
import { SessionToken } from '../src/index.ts'
import { account, start } from './simulated-agents.ts'

test('a session reads its own writes on every peer, and takes its token along', async () => {
  const simulation = createSimulation({ seed: 1 })
  const peers = await start(simulation, ['a', 'b', 'c', 'd'])
  let session = new SessionToken()
  for (let written = 1; written <= 8; written++) {
    const here = peers[written % peers.length]!.agents.agent(account, 'one')
    await simulation.wait(here.update((draft) => draft.visits.increment(1), { session }))
    for (const { agents } of peers) {
      const reading = agents.agent(account, 'one').state({ consistency: 'session', session })
      expect((await simulation.wait(reading)).value.visits).toBe(written)
    }
    // As a cookie would carry it.
    session = new SessionToken(JSON.parse(JSON.stringify(session)))
  }
  expect(JSON.stringify(session).length).toBeLessThan(200)
})

test('a session with what nobody has is told so, and does not wait for ever', async () => {
  const simulation = createSimulation({ seed: 2 })
  const peers = await start(simulation, ['a', 'b', 'c'])
  const [a] = peers
  const ref = a!.agents.agent(account, 'one')
  await simulation.wait(ref.update((draft) => draft.visits.increment(1)))
  const session = new SessionToken({ [ref.id]: { nobody: 7 } })
  const options = { session, timeoutMs: 500 }
  const refused = { name: 'SessionAheadError', retryable: true }
  await expect(
    simulation.wait(ref.state({ consistency: 'session', ...options }))
  ).rejects.toMatchObject(refused)
  for (const { agents } of peers) {
    const update = agents
      .agent(account, 'one')
      .update((draft) => draft.visits.increment(1), options)
    await expect(simulation.wait(update)).rejects.toMatchObject(refused)
  }
  // It goes on without: what it saw of others is kept.
  session.saw('test/other/x', { somebody: 1 })
  session.forget(ref.id)
  await simulation.wait(ref.update((draft) => draft.visits.increment(1), options))
  const reading = ref.state({ consistency: 'session', ...options })
  expect((await simulation.wait(reading)).value.visits).toBe(2)
  expect(session.of('test/other/x')).toEqual({ somebody: 1 })
})

test('a token that is none is refused', () => {
  const wrong = { id: { writer: -1 } }
  expect(() => new SessionToken(wrong)).toThrow('the token has no version for id')
})
