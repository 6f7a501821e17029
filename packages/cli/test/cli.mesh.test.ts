import { spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { run } from '@murmuration/cli'
import { createCluster } from '@murmuration/cluster'
import type { Cluster } from '@murmuration/cluster'
import { readCertificate, readInvitation } from '@murmuration/identity'
import { afterAll, describe, expect, it } from 'vitest'
import { tally } from './agents.ts'

const folder = mkdtempSync(join(tmpdir(), 'murmuration-cli-'))
const path = (name: string): string => join(folder, name)
const main = fileURLToPath(new URL('../src/main.ts', import.meta.url))
const agents = fileURLToPath(new URL('agents.ts', import.meta.url))
const children: ChildProcess[] = []
const peers: Cluster[] = []

afterAll(async () => {
  for (const child of children) child.kill('SIGKILL')
  await Promise.all(peers.map((peer) => peer.stop()))
  rmSync(folder, { recursive: true, force: true })
})

interface Ended {
  readonly code: number
  readonly data: readonly unknown[]
  readonly text: string
  readonly notes: string
}

/** Runs a command in this process. */
async function murmuration(...args: string[]): Promise<Ended> {
  const [data, texts, notes]: [unknown[], string[], string[]] = [[], [], []]
  const code = await run(args, () => ({
    data: (value, text) => {
      data.push(value)
      texts.push(text)
    },
    note: (text) => void notes.push(text)
  }))
  return { code, data, text: texts.join('\n'), notes: notes.join('\n') }
}

describe('the command line', () => {
  it('starts a peer that invites others, answers about it, and hands over when told to stop', async () => {
    const key = path('root.key')
    const made = await murmuration('root', '--out', key)
    expect(made.text).toMatch(/^[0-9a-f]{64}$/)
    const args = ['start', '--json', '--name', 'forest', '--data', path('a'), '--root', key]
    const child = spawn(
      process.execPath,
      [main, ...args, '--listen', '/ip4/127.0.0.1/tcp/0', '--agents', agents],
      { stdio: ['ignore', 'pipe', 'inherit'] }
    )
    children.push(child)
    const [line] = (await once(child.stdout, 'data')) as [Buffer]
    const { addresses } = JSON.parse(String(line)) as { addresses: string[] }
    const [at = ''] = addresses

    const invited = await murmuration('invite', '--name', 'forest', '--root', key, '--at', at)
    expect(invited.text).toMatch(/^murmuration-invite-1\.\S+$/)
    const init = { name: 'forest', invitation: invited.text, bootstrap: addresses, agents: [tally] }
    const listen = ['/ip4/127.0.0.1/tcp/0']
    const second = await createCluster({ ...init, listen, dataDir: path('b') })
    peers.push(second)
    await second.ready()

    const look = ['--name', 'forest', '--root', key, '--join', at]
    const members = await murmuration('members', ...look)
    expect(members.data[0]).toMatchObject({ members: [{}, {}] })
    expect(members.notes).toContain('2 members')
    expect((await murmuration('call', 'tally/one', 'add', '3', ...look)).text).toBe('3')
    const owner = await murmuration('who-owns', 'default/tally/one', ...look)
    expect(owner.text).toContain('12D3KooW')
    const actions = await murmuration('actions', ...look)
    expect(actions.text).toContain('tally.add')
    const wrong = await murmuration('call', 'tally/one', 'add', '"x"', ...look)
    expect(wrong).toMatchObject({ code: 1, text: '' })
    expect(wrong.notes).toContain('SchemaError')

    const ended = once(child, 'exit')
    child.kill('SIGTERM')
    expect(await ended).toEqual([0, null])
    expect(second.members()).toHaveLength(1)
    expect(await second.agent(tally, 'one').call('add', 4)).toBe(7)
  })

  it('examines a folder and addresses, and finds what is wrong', async () => {
    const healthy = await murmuration('doctor', '--data', path('b'))
    expect(healthy.data).toContainEqual({
      check: 'key file',
      ok: true,
      detail: 'for its owner only'
    })
    chmodSync(path('b/peer.key'), 0o644)
    const sick = await murmuration('doctor', '--data', path('b'), '--join', '/ip4/127.0.0.1/tcp/9')
    expect(sick.code).toBe(1)
    expect(sick.text).toContain('chmod 600')
    expect(sick.text).toMatch(/BAD\s+reach/)
  })

  it('gives lost disks up on an operator’s word only, and not before it was looked at', async () => {
    writeFileSync(path('pine'), 'the secret of another cluster')
    const secret = 'the secret of another cluster'
    const listen = ['/ip4/127.0.0.1/tcp/0']
    const init = { name: 'pine', secret, agents: [tally], listen }
    const first = await createCluster({ ...init, dataDir: path('pine-0') })
    peers.push(first)
    const bootstrap = first.addresses
    const others = await Promise.all(
      [1, 2, 3, 4].map((at) => createCluster({ ...init, bootstrap, dataDir: path(`pine-${at}`) }))
    )
    peers.push(...others)
    await Promise.all([first, ...others].map((peer) => peer.ready()))
    const settled = (): boolean => first.membership.settled === first.view?.number
    await expect.poll(settled, { timeout: 20_000 }).toBe(true)
    // An agent with two replicas beside the first peer, its owner one of them, which are both lost.
    const all = Array.from({ length: 200 }, (_, at) => `k${at}`)
    const homeOf = (key: string): readonly string[] => first.placement.homeOf(tally.id(key))
    const key = all.find((one) => homeOf(one).slice(1).includes(first.peerId)) ?? ''
    expect(await first.agent(tally, key).call('add', 1)).toBe(1)
    const lost = others.filter(({ peerId }) => homeOf(key).includes(peerId))
    expect(lost).toHaveLength(2)
    await Promise.all(lost.map((peer) => peer.stop()))
    const isOut = (): boolean => first.members().length === 3
    await expect.poll(isOut, { timeout: 30_000 }).toBe(true)
    await expect(first.agent(tally, key).state({ timeoutMs: 3_000 })).rejects.toThrow()

    const look = ['--name', 'pine', '--secret-file', path('pine'), '--join', bootstrap[0] ?? '']
    const seen = await murmuration('lost', ...look)
    expect(seen.code).toBe(1)
    for (const { peerId } of lost) expect(seen.text).toContain(peerId)
    const names = lost.map(({ peerId }) => peerId)
    const why = ['--reason', 'both disks burnt']
    expect(await murmuration('give-up', ...names, ...look)).toMatchObject({ code: 2 })
    expect(await murmuration('give-up', ...why, ...look)).toMatchObject({ code: 2 })
    expect(await murmuration('give-up', first.peerId, ...why, ...look)).toMatchObject({ code: 2 })

    const dry = await murmuration('give-up', ...names, ...why, ...look)
    expect(dry.code).toBe(1)
    expect(dry.notes).toContain('LOST FOR GOOD')
    expect(dry.notes).toContain('Nothing was changed')
    const view = first.view?.number ?? 0
    expect(dry.notes).toContain(`--confirm ${view}`)
    expect(first.view?.abandoned).toBeUndefined()
    const late = await murmuration('give-up', ...names, ...why, '--confirm', `${view - 1}`, ...look)
    expect(late.code).toBe(1)
    expect(first.view?.abandoned).toBeUndefined()

    const done = await murmuration('give-up', ...names, ...why, '--confirm', `${view}`, ...look)
    expect(done.code).toBe(0)
    const marked = first.view
    expect(marked?.abandoned?.map(({ peer }) => peer).toSorted()).toEqual(names.toSorted())
    expect(marked?.unsafe).toMatchObject([{ reason: 'both disks burnt', abandoned: 2 }])
    expect(await first.agent(tally, key).call('add', 1)).toBe(2)
    expect((await murmuration('lost', ...look)).notes).toContain('UNSAFE')

    const number = String(marked?.number)
    expect(await murmuration('acknowledge', number, ...look)).toMatchObject({ code: 0 })
    expect(first.view?.unsafe ?? []).toEqual([])
    expect(await murmuration('lost', ...look)).toMatchObject({ code: 0 })

    // A guest has not the word.
    const guest = await createCluster({ ...init, role: 'guest', bootstrap })
    peers.push(guest)
    await guest.ready()
    await expect(guest.recovery.survey()).rejects.toThrow()
  }, 120_000)

  it('says what is wrong with itself, with exit code 2 and no data', async () => {
    const at = '/ip4/127.0.0.1/tcp/1'
    const wrong = [
      [],
      ['fly'],
      ['members', '--nonsense'],
      ['members', '--name', 'x'],
      ['start', '--data', path('z'), '--name', 'x'],
      ['invite', '--name', 'x', '--root', path('root.key'), '--at', at],
      ['call', 'one', 'add', '--name', 'x', '--join', at],
      ['call', 'a/b', 'add', '{', '--name', 'x', '--join', at],
      ['start', '--role', 'king', '--data', path('z')],
      ['give-up', 'x', '--reason', 'y', '--confirm', 'yes', '--name', 'x', '--join', at],
      ['acknowledge', '--name', 'x', '--join', at]
    ]
    for (const args of wrong) {
      const result = await murmuration(...args)
      expect(result).toMatchObject({ code: 2, text: '' })
      // One sentence, and where to find the rest.
      expect(result.notes).toMatch(/^.+ \(see murmuration --help\)$/)
    }
  })

  it('takes no option of another command, no wrong value, and makes no key but by root', async () => {
    const peer = '12D3KooWQYhTNQdmr3ArTeUHRYzFg94BKyTkoWBDWez9kSCpe2Xo'
    const at = `/ip4/127.0.0.1/tcp/1/p2p/${peer}`
    const rsa = '/ip4/127.0.0.1/tcp/1/p2p/QmYyQSo1c1Ym7orWxLYvCrM2EmxFTANf8wXmmE7DWjhx5N'
    const [key, typo] = [path('other.key'), path('typo.key')]
    await murmuration('root', '--out', key)
    const invite = ['invite', '--root', key, '--name', 'x']
    const start = ['start', '--data', path('y'), '--name', 'x']
    const byRoot = [...start, '--root', key]
    const look = ['--name', 'x', '--root', key, '--join', at]
    const wrong = [
      ['invite', '--root', typo, '--name', 'x', '--at', at],
      ['invite', '--root', typo, '--at', at],
      ['members', '--name', 'x', '--root', typo, '--join', at, '--timeout', '1'],
      [...start, '--root', typo],
      ['invite', '--root', key, '--name', 'X_Y', '--at', at],
      ['start', '--data', path('y'), '--root', key, '--name', 'X_Y'],
      [...invite, '--at', rsa],
      [...invite, '--at', at, '--hours', '1e300'],
      [...invite, '--at', at, '--listen', 'junk'],
      [...invite, '--at', at, 'extra'],
      ['doctor', '--data', path('b'), 'extra'],
      ['members', ...look, '--count', '3'],
      ['members', ...look, '--timeout', '1e300'],
      ['who-owns', 'a/b', 'c', ...look],
      ['watch', '**.x', ...look, '--count', 'none'],
      ['start', '--data', path('y'), '--invite', 'nonsense'],
      [...byRoot, '--listen', 'nonsense'],
      [...byRoot, '--join', 'nonsense'],
      [...byRoot, '--agents', path('missing.js')],
      [...byRoot, '--role', 'edge'],
      [...start, '--secret-file', path('missing')]
    ]
    for (const args of wrong) {
      const result = await murmuration(...args)
      expect({ args, ...result }).toMatchObject({ args, code: 2, text: '' })
      expect(result.notes).toMatch(/^.+ \(see murmuration --help\)$/)
    }
    expect(existsSync(typo)).toBe(false)
    expect(existsSync(path('y/store'))).toBe(false)
  })

  it('invites for as long as it was told', async () => {
    const key = path('long.key')
    await murmuration('root', '--out', key)
    const at = '/ip4/127.0.0.1/tcp/1/p2p/12D3KooWQYhTNQdmr3ArTeUHRYzFg94BKyTkoWBDWez9kSCpe2Xo'
    const args = ['--name', 'x', '--root', key, '--at', at, '--hours', '72']
    const { pass } = await readInvitation((await murmuration('invite', ...args)).text)
    const hours = (readCertificate(pass).notAfter - Date.now()) / 3_600_000
    expect(Math.round(hours)).toBe(72)
  })

  it('ends with exit code 1 where nobody answers', async () => {
    writeFileSync(path('secret'), 'a secret of the whole cluster')
    const where = ['--name', 'x', '--secret-file', path('secret'), '--join', '/ip4/127.0.0.1/tcp/9']
    expect(await murmuration('members', ...where, '--timeout', '1')).toMatchObject({
      code: 1,
      text: ''
    })
  })
})
