import type { AgentRecord, ClaimResult, Registry, RegistryChange } from '@murmuration/interface'

/** A running peer with a registry under test. */
export interface RegistryPeer {
  /** PeerId as text. */
  readonly peer: string
  readonly registry: Registry
}

/** What the suite is given for one case; it is new for each. */
export interface RegistryUnderTest {
  /** One peer or more; all of them see each other. */
  readonly peers: readonly RegistryPeer[]
  /** An agent that nobody has claimed, by its key; with a shard key, if the backend places by it. */
  readonly agent: (key: string) => AgentRecord
}

/** One thing that a registry must do. */
export interface RegistryCase {
  readonly name: string
  /** Asks for an agreed view; the weaker `dht` backend does without. */
  readonly needs: 'any' | 'agreement'
  readonly run: (test: RegistryUnderTest) => Promise<void>
}

/**
 * What every backend of the registry must do, for any test framework. A backend without agreement
 * runs the cases whose `needs` is `any`.
 *
 * @example
 * ```ts
 * for (const { name, run } of registryCases) it(name, async () => run(await start()))
 * ```
 */
export const registryCases: readonly RegistryCase[] = [
  {
    name: 'does not find what nobody has registered',
    needs: 'any',
    run: async ({ peers, agent }) => {
      const found = await Promise.all(peers.map((on) => on.registry.find(agent('none').id)))
      for (const { status } of found) equal(status, 'not-found', 'an agent of nobody')
      equal(await peers[0]?.registry.describe(agent('none').id), undefined, 'its descriptor')
    }
  },
  {
    name: 'finds from everywhere what was just registered',
    needs: 'any',
    run: async ({ peers, agent }) => {
      const owner = await registerSomewhere(peers, agent('found'))
      for (const on of peers) {
        const found = await on.registry.find(agent('found').id)
        if (on.peer === owner.peer) {
          equal(found.status, 'local', 'on its owner')
        } else {
          equal(found.status === 'remote' ? found.peer : found.status, owner.peer, 'elsewhere')
        }
      }
    }
  },
  {
    name: 'describes an agent in every field, from everywhere',
    needs: 'any',
    run: async ({ peers, agent }) => {
      const labels = { kind: 'weather' }
      const metadata = { route: 'north', 'x-tier': '2' }
      const record = agent('described')
      const owner = await registerSomewhere(peers, { ...record, labels, metadata })
      for (const on of peers) {
        const descriptor = await on.registry.describe(record.id)
        equal(descriptor?.id, record.id, 'id')
        equal(descriptor?.shardKey, record.shardKey, 'shard key')
        equal(descriptor?.placement, record.placement, 'placement')
        equal(descriptor?.replicas, record.replicas, 'replicas')
        equal(descriptor?.labels['kind'], 'weather', 'labels')
        equal(JSON.stringify(descriptor?.metadata), JSON.stringify(metadata), 'metadata')
        equal((descriptor?.epoch?.view ?? 0) >= 1, true, 'epoch')
        equal((descriptor?.home.length ?? 0) >= 1, true, 'home')
        const status = on.peer === owner.peer ? 'local' : 'remote'
        equal(descriptor?.location.status, status, 'location')
      }
    }
  },
  {
    name: 'grants an agent once, and tells others who has it',
    needs: 'any',
    run: async ({ peers, agent }) => {
      const owner = await registerSomewhere(peers, agent('taken'))
      for (const on of peers) {
        const again = await on.registry.claim(agent('taken'))
        if (on.peer === owner.peer) {
          equal(again.status, 'claimed', 'the owner')
        } else {
          equal(again.status === 'conflict' ? again.owner : again.status, owner.peer, 'another')
        }
      }
    }
  },
  {
    name: 'forgets what its owner unregisters, and grants it anew',
    needs: 'any',
    run: async ({ peers, agent }) => {
      const owner = await registerSomewhere(peers, agent('left'))
      equal(await owner.registry.unregister(agent('left').id), true, 'unregistered')
      equal(await owner.registry.unregister(agent('left').id), false, 'unregistered twice')
      equal((await owner.registry.find(agent('left').id)).status, 'not-found', 'found afterwards')
      await registerSomewhere(peers, agent('left'))
    }
  },
  {
    name: 'tells watchers what was registered and unregistered, and why',
    needs: 'any',
    run: async ({ peers, agent }) => {
      const seen: RegistryChange[] = []
      const stop = new AbortController()
      const watching = peers.map(async ({ registry }) => {
        for await (const change of registry.watch('**', { signal: stop.signal })) seen.push(change)
      })
      const owner = await registerSomewhere(peers, agent('watched'))
      await owner.registry.unregister(agent('watched').id)
      stop.abort()
      await Promise.all(watching)
      const own = seen.filter(({ id, peer }) => id === agent('watched').id && peer === owner.peer)
      equal(own[0]?.type, 'registered', 'the first change')
      equal(own.at(-1)?.type, 'unregistered', 'the last change')
      equal(
        own.every(({ reason }) => reason !== ''),
        true,
        'reasons'
      )
    }
  },
  {
    name: 'is asked to stop waiting by a signal',
    needs: 'any',
    run: async ({ peers, agent }) => {
      const signal = AbortSignal.abort()
      const on = peers.at(-1)
      const outcome = await on?.registry.claim(agent('aborted'), { signal }).then(
        ({ status }) => status,
        () => 'rejected'
      )
      equal(outcome !== undefined && outcome !== 'conflict', true, 'an ended claim')
    }
  },
  {
    name: 'unregisters from everywhere',
    needs: 'agreement',
    run: async ({ peers, agent }) => {
      const owner = await registerSomewhere(peers, agent('afar'))
      const other = peers.find(({ peer }) => peer !== owner.peer) ?? owner
      equal(await other.registry.unregister(agent('afar').id), true, 'unregistered from afar')
      equal((await owner.registry.find(agent('afar').id)).status, 'not-found', 'on its owner')
    }
  },
  {
    name: 'grants an agent to exactly one of many that claim at once',
    needs: 'agreement',
    run: async ({ peers, agent }) => {
      const claims = peers.flatMap(({ registry }) =>
        Array.from({ length: 10 }, () => registry.claim(agent('raced')))
      )
      const results = await Promise.all(claims)
      const owners = new Set(results.map(grantOf).filter((grant) => grant !== undefined))
      equal(owners.size, 1, 'grants')
    }
  }
]

function grantOf(result: ClaimResult): string | undefined {
  return result.status === 'claimed' ? `${result.epoch.view}/${result.epoch.boot}` : undefined
}

/** Registers where the registry lets it be: a redirected claim is made where it says. */
async function registerSomewhere(
  peers: readonly RegistryPeer[],
  agent: Parameters<Registry['register']>[0]
): Promise<RegistryPeer> {
  let on = peers[0]
  for (let hop = 0; on !== undefined && hop < 3; hop++) {
    const result = await on.registry.register(agent)
    if (result.status === 'claimed') return on
    if (result.status !== 'redirect') {
      throw new Error(`register of ${agent.id}: ${JSON.stringify(result)}`)
    }
    on = peers.find(({ peer }) => peer === result.peer)
  }
  throw new Error(`${agent.id} was redirected in a circle`)
}

function equal(actual: unknown, expected: unknown, what: string): void {
  if (actual === expected) return
  throw new Error(`${what}: expected ${String(expected)}, got ${String(actual)}`)
}
