import { execFile, spawn } from 'node:child_process'
import type { ChildProcess, SpawnOptions } from 'node:child_process'
import { promisify } from 'node:util'
import type { Network, Place } from './network.ts'

const run = promisify(execFile)
const PORT = 4_001
const INDEX_MAX = 200

/** Why namespaces cannot be used here, or undefined where they can. */
export async function whyNoNamespaces(): Promise<string | undefined> {
  if (process.platform !== 'linux') return 'network namespaces need Linux'
  const probe = `mmprobe${process.pid}`
  for (const [tool, args] of [
    ['ip', ['-V']],
    ['nft', ['--version']]
  ] as const) {
    try {
      await run(tool, args)
    } catch {
      return `the command ${tool} is missing (Debian: iproute2, nftables)`
    }
  }
  try {
    await run('ip', ['netns', 'add', probe])
    await run('ip', ['netns', 'exec', probe, 'nft', 'add', 'table', 'inet', 'probe'])
    return undefined
  } catch (error) {
    return `network namespaces are not permitted: ${String(error).split('\n').at(1) ?? ''}`.trim()
  } finally {
    await run('ip', ['netns', 'delete', probe]).catch(() => undefined)
  }
}

/** Each peer in a network namespace of its own, with an address of its own, on one bridge. */
export class NamespaceNetwork implements Network {
  readonly name = 'namespaces'
  readonly #prefix = `mm${process.pid.toString(36)}`
  readonly #subnet = `10.${100 + (process.pid % 100)}.${Math.floor(process.pid / 100) % 250}`
  readonly #placed = new Set<number>()
  #bridged = false

  async place(index: number): Promise<Place> {
    if (index < 1 || index > INDEX_MAX) throw new Error(`there is no address for peer ${index}`)
    await this.#bridge()
    const space = this.#space(index)
    const link = `${this.#prefix}v${index}`
    await run('ip', ['netns', 'add', space])
    this.#placed.add(index)
    await run('ip', ['link', 'add', link, 'type', 'veth', 'peer', 'name', 'eth0', 'netns', space])
    await run('ip', ['link', 'set', link, 'master', this.#prefix, 'up'])
    const inside = ['-n', space]
    await run('ip', [...inside, 'addr', 'add', `${this.#address(index)}/24`, 'dev', 'eth0'])
    await run('ip', [...inside, 'link', 'set', 'eth0', 'up'])
    await run('ip', [...inside, 'link', 'set', 'lo', 'up'])
    await this.#nft(index, RULES)
    return {
      listen: `/ip4/${this.#address(index)}/tcp/${PORT}`,
      announce: undefined,
      from: undefined
    }
  }

  spawn(
    index: number,
    command: string,
    args: readonly string[],
    options: SpawnOptions
  ): ChildProcess {
    // `ip` replaces itself by the command: signals reach the peer, and so does its channel.
    return spawn('ip', ['netns', 'exec', this.#space(index), command, ...args], options)
  }

  async setUp(): Promise<void> {
    // The kernel closes the port of a process that is gone.
  }

  async cut(from: number, to: number): Promise<void> {
    await this.#nft(to, `add element inet chaos blocked { ${this.#address(from)} }`)
  }

  async lose(share: number): Promise<void> {
    const rule = `add rule inet chaos loss numgen random mod 1000 < ${Math.round(share * 1_000)} drop`
    for (const index of this.#placed) await this.#nft(index, rule)
  }

  /** What is more is dropped, as by a router without a queue; the sender finds out and slows down. */
  async narrow(bytesPerSecond: number): Promise<void> {
    const rate = `limit rate over ${bytesPerSecond} bytes/second burst ${bytesPerSecond >> 2} bytes drop`
    for (const to of this.#placed) {
      const rules = [...this.#placed]
        .filter((from) => from !== to)
        .map((from) => `add rule inet chaos loss ip saddr ${this.#address(from)} ${rate}`)
      await this.#nft(to, rules.join('; '))
    }
  }

  async heal(): Promise<void> {
    for (const index of this.#placed) {
      await this.#nft(index, 'flush set inet chaos blocked; flush chain inet chaos loss')
    }
  }

  async close(): Promise<void> {
    for (const index of this.#placed) {
      await run('ip', ['netns', 'delete', this.#space(index)]).catch(() => undefined)
    }
    if (this.#bridged) await run('ip', ['link', 'delete', this.#prefix]).catch(() => undefined)
  }

  async #bridge(): Promise<void> {
    if (this.#bridged) return
    this.#bridged = true
    await run('ip', ['link', 'add', this.#prefix, 'type', 'bridge'])
    await run('ip', ['addr', 'add', `${this.#subnet}.254/24`, 'dev', this.#prefix])
    await run('ip', ['link', 'set', this.#prefix, 'up'])
  }

  #space(index: number): string {
    return `${this.#prefix}-${index}`
  }

  #address(index: number): string {
    return `${this.#subnet}.${index}`
  }

  async #nft(index: number, rules: string): Promise<void> {
    await run('ip', ['netns', 'exec', this.#space(index), 'nft', rules])
  }
}

/** What comes from blocked addresses is dropped at the receiver, silently, as a broken link does. */
const RULES = [
  'add table inet chaos',
  'add set inet chaos blocked { type ipv4_addr; }',
  'add chain inet chaos loss',
  'add chain inet chaos in { type filter hook input priority 0; policy accept; }',
  'add rule inet chaos in ip saddr @blocked drop',
  'add rule inet chaos in iifname eth0 jump loss'
].join('; ')
