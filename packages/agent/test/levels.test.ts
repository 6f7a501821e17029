import { readFileSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { z } from 'zod'
import { counter } from '@murmuration/crdt'
import type { Consistency } from '@murmuration/interface'
import { createSimulation } from '@murmuration/testkit'
import { expect, test } from 'vitest'
import { defineAgent, SessionToken } from '../src/index.ts'
import type { AgentRef } from '../src/index.ts'
import { start } from './simulated-agents.ts'

/*
 * Which part of an agent each operation reads or changes at each level. The table in
 * docs/consistency.md is what this test finds; UPDATE=1 writes it.
 */

const PAGE = fileURLToPath(new URL('../../../docs/consistency.md', import.meta.url))

const both = defineAgent({
  type: 'both',
  state: { hits: counter() },
  strong: { quota: z.number().default(10) },
  actions: {
    hit: { input: z.null(), output: z.null(), run: ({ state }) => (state.hits.increment(), null) },
    take: {
      part: 'strong',
      input: z.null(),
      output: z.null(),
      run: ({ strong }) => (strong.quota--, null)
    }
  }
})
const merged = defineAgent({
  type: 'merged',
  state: both.state,
  actions: {
    hit: { input: z.null(), output: z.null(), run: ({ state }) => (state.hits.increment(), null) }
  }
})

type Level = Consistency | 'session, with a token' | 'stale'
const levels: readonly Level[] = ['eventual', 'stale', 'session', 'session, with a token', 'strong']

/** Of any of the two types; what does not fit its type is what is tried here. */
type AnyRef = AgentRef<typeof both>

function optionsOf(level: Level): { consistency?: 'strong'; session?: SessionToken; stale?: true } {
  if (level === 'stale') return { stale: true }
  const session = level === 'session, with a token' ? { session: new SessionToken() } : {}
  // `strong` only for its type: the others are no different here.
  const consistency = (level === 'session, with a token' ? 'session' : level) as 'strong'
  return { consistency, ...session }
}

function change(draft: object): void {
  if ('quota' in draft) draft.quota = Number(draft.quota) - 1
  else (draft as { hits: { increment(): void } }).hits.increment() // the CRDT part
}

const operations: Readonly<Record<string, (ref: AnyRef, level: Level) => Promise<unknown>>> = {
  'state()': async (ref, level) => {
    const { value } = await ref.state(optionsOf(level))
    return 'quota' in value ? 'strong' : 'state'
  },
  'update(fn)': (ref, level) => ref.update(change, optionsOf(level)),
  'call of an action': (ref, level) => ref.call('hit', null, optionsOf(level)),
  "call of an action with part: 'strong'": (ref, level) => ref.call('take', null, optionsOf(level))
}

test('the table of levels and parts is what happens', async () => {
  const simulation = createSimulation({ seed: 1 })
  const peers = await start(simulation, ['a', 'b', 'c', 'd'], [both, merged])
  const parts = async (ref: AnyRef): Promise<string> => {
    const { value } = await simulation.wait(ref.state())
    const agreed = await simulation.wait(ref.state({ consistency: 'strong' })).then(
      ({ value: { quota } }) => quota,
      () => 'none'
    )
    return JSON.stringify({ state: value.hits, strong: agreed })
  }
  const tell = async (ref: AnyRef, name: string, level: Level): Promise<string> => {
    const before = await parts(ref)
    let outcome: unknown
    try {
      outcome = await simulation.wait(operations[name]!(ref, level))
    } catch (error) {
      expect(await parts(ref)).toBe(before)
      return `\`${(error as Error).name}\``
    }
    if (typeof outcome === 'string') return `reads \`${outcome}\``
    const [was, is] = [before, await parts(ref)].map((text) => JSON.parse(text) as object)
    const changed = Object.entries(is!).filter(([part, value]) => value !== Reflect.get(was!, part))
    return `changes ${changed.map(([part]) => `\`${part}\``).join(' and ') || 'nothing'}`
  }
  const rows: string[] = []
  for (const type of [both, merged]) {
    const parted = type === both ? 'both parts' : '`state` only'
    for (const name of Object.keys(operations)) {
      const isStrong = name.includes('strong')
      if (isStrong && type !== both) continue
      const cells: string[] = []
      for (const level of levels) {
        const isRead = name === 'state()'
        if (level === 'stale' && !isRead) cells.push('')
        // From a peer that need not be the owner.
        else cells.push(await tell(peers[1]!.agents.agent(type as typeof both, 'one'), name, level))
      }
      rows.push(
        `| ${parted} | \`${name}\` | ${cells.join(' | ')} |`.replaceAll(
          '`call of an action`',
          'call of an action'
        )
      )
    }
  }
  const table = [
    `| the type has | operation | ${levels.map((level) => (level === 'stale' ? '`stale: true`' : `\`${level.replace(',', '`,')}${level.includes(',') ? '' : '`'}`)).join(' | ')} |`,
    `|${' --- |'.repeat(levels.length + 2)}`,
    ...rows
  ].join('\n')
  const page = readFileSync(PAGE, 'utf8')
  const [head = '', rest = ''] = page.split('<!-- table -->\n')
  const tail = rest.slice(rest.indexOf('<!-- table end -->'))
  const written = `${head}<!-- table -->\n\n${table}\n\n${tail}`
  if (process.env['UPDATE'] === '1') writeFileSync(PAGE, written)
  expect(page).toBe(written)
})
