import { InvalidParametersError } from '@murmuration/interface'
import type { Logger } from '@libp2p/interface'
import type { SrvRecord } from 'node:dns'
import type { Resolver } from 'node:dns/promises'
import type { StrategyFactory } from '../components.ts'
import {
  DNS_LOOKUPS_MAX,
  DNS_REFRESH_MS,
  DNS_TIMEOUT_MS,
  DNSADDR_DEPTH_MAX,
  LISTED_ADDRESSES_MAX
} from '../defaults.ts'
import { nodeDns } from '../node-builtins.ts'
import { parseAddress } from '../targets.ts'
import { ListedAddresses, timesOf } from './listed.ts'
import type { ListedInit } from './listed.ts'

/** What is looked up. */
export type DnsQuestion =
  /** A and AAAA records: peers listen on this TCP port. For a Kubernetes headless service. */
  | { readonly host: string; readonly port: number }
  /** SRV records, the lowest priority first: each names a host and a TCP port. */
  | { readonly service: string }
  /** TXT records `dnsaddr=<multiaddr>` at `_dnsaddr.<name>`, which may refer to further names. */
  | { readonly dnsaddr: string }

/** Options of {@link dns}. */
export interface DnsInit extends ListedInit {
  readonly questions: readonly DnsQuestion[]
  /** Addresses of DNS servers, as `10.0.0.10` or `127.0.0.1:5353`. @default those of the system */
  readonly servers?: readonly string[]
  /** How often names are looked up again while connected, in ms. @default 30000 */
  readonly refreshMs?: number
}

/**
 * Finds peers by DNS. A name that does not exist, or has no records, is nobody; a server that does
 * not answer leaves the last answer to that lookup in place, and hides no other one. DNS is not
 * authenticated: what it says is a hint, and who is admitted is decided when the connection is made.
 *
 * Throws `InvalidParametersError` for no or more than 16 questions, a wrong name, port or server, and
 * where there is no DNS.
 *
 * @example
 * ```ts
 * dns({ questions: [{ service: '_peer._tcp.murmuration.default.svc.cluster.local' }] })
 * ```
 */
export function dns(init: DnsInit): StrategyFactory {
  const { questions, servers } = init
  if (questions.length === 0 || questions.length > 16) {
    throw new InvalidParametersError('dns needs 1 to 16 questions')
  }
  for (const question of questions) {
    checkQuestion(question)
  }
  createResolver(servers)
  const times = timesOf(init, DNS_REFRESH_MS)
  return (components) => {
    const log = components.logger.forComponent('murmuration:discovery:dns')
    let last = noAnswers()
    const read = async (signal: AbortSignal): Promise<readonly string[]> => {
      const lookup = new Lookup(createResolver(servers), log, last)
      const cancel = (): void => lookup.cancel()
      signal.addEventListener('abort', cancel)
      try {
        const found = await Promise.all(questions.map(async (question) => lookup.ask(question)))
        last = lookup.answers
        return found.flat()
      } finally {
        signal.removeEventListener('abort', cancel)
      }
    }
    return new ListedAddresses(components, { name: 'dns', read }, times)
  }
}

const namePattern =
  /^(?=.{1,253}$)[a-z0-9_]([a-z0-9_-]*[a-z0-9])?(\.[a-z0-9_]([a-z0-9_-]*[a-z0-9])?)*\.?$/i

function checkQuestion(question: DnsQuestion): void {
  const name =
    'host' in question ? question.host : 'service' in question ? question.service : question.dnsaddr
  if (typeof name !== 'string' || !namePattern.test(name)) {
    throw new InvalidParametersError(`not a domain name: ${name}`)
  }
  if ('host' in question) {
    const { port } = question
    if (!Number.isInteger(port) || port < 1 || port > 65_535) {
      throw new InvalidParametersError(`port must be 1 to 65535, got ${port}`)
    }
  }
}

function createResolver(servers: readonly string[] | undefined): Resolver {
  if (nodeDns === undefined) {
    throw new InvalidParametersError('there is no DNS here')
  }
  const resolver = new nodeDns.Resolver({ timeout: DNS_TIMEOUT_MS, tries: 2 })
  if (servers !== undefined) {
    try {
      resolver.setServers(servers)
    } catch (cause) {
      throw new InvalidParametersError(`not DNS servers: ${servers.join(', ')}`, { cause })
    }
  }
  return resolver
}

/** The answers of one round by name; a round asks for at most `DNS_LOOKUPS_MAX`. */
interface Answers {
  readonly ipv4: Map<string, readonly string[]>
  readonly ipv6: Map<string, readonly string[]>
  readonly service: Map<string, readonly SrvRecord[]>
  readonly text: Map<string, readonly string[][]>
}

function noAnswers(): Answers {
  return { ipv4: new Map(), ipv6: new Map(), service: new Map(), text: new Map() }
}

/**
 * One round of questions; a bound on them keeps hostile records from making this peer ask for ever.
 * Each that fails has the answer of the round before, and hides none of the others: a server that
 * fails for AAAA alone, or one target of many whose own server is gone, is common.
 */
class Lookup {
  readonly #resolver: Resolver
  readonly #log: Logger
  readonly #before: Answers
  readonly answers: Answers = noAnswers()
  #left = DNS_LOOKUPS_MAX

  constructor(resolver: Resolver, log: Logger, before: Answers) {
    this.#resolver = resolver
    this.#log = log
    this.#before = before
  }

  cancel(): void {
    this.#resolver.cancel()
  }

  async ask(question: DnsQuestion): Promise<readonly string[]> {
    if ('host' in question) {
      return await this.#host(question.host, question.port)
    }
    return 'service' in question
      ? await this.#service(question.service)
      : await this.#dnsaddr(question.dnsaddr, 0)
  }

  async #host(name: string, port: number): Promise<readonly string[]> {
    const [four, six] = await Promise.all([
      this.#records(
        ({ ipv4 }) => ipv4,
        name,
        () => this.#resolver.resolve4(name)
      ),
      this.#records(
        ({ ipv6 }) => ipv6,
        name,
        () => this.#resolver.resolve6(name)
      )
    ])
    return [
      ...four.map((address) => `/ip4/${address}/tcp/${port}`),
      ...six.map((address) => `/ip6/${address}/tcp/${port}`)
    ]
  }

  async #service(name: string): Promise<readonly string[]> {
    const records = await this.#records(
      ({ service }) => service,
      name,
      () => this.#resolver.resolveSrv(name)
    )
    const targets = records
      .toSorted((one, other) => one.priority - other.priority || other.weight - one.weight)
      .slice(0, LISTED_ADDRESSES_MAX)
    const found = await Promise.all(targets.map((one) => this.#host(one.name, one.port)))
    return found.flat()
  }

  async #dnsaddr(name: string, depth: number): Promise<readonly string[]> {
    const records = await this.#records(
      ({ text }) => text,
      name,
      () => this.#resolver.resolveTxt(`_dnsaddr.${name}`)
    )
    const texts = records
      .map((parts) => parts.join(''))
      .filter((text) => text.startsWith('dnsaddr='))
      .map((text) => text.slice('dnsaddr='.length))
      .slice(0, LISTED_ADDRESSES_MAX)
    const found = await Promise.all(
      texts.map(async (text) => {
        const further = dnsaddrOf(text)
        if (further === undefined) {
          return [text]
        }
        if (depth >= DNSADDR_DEPTH_MAX) {
          this.#log('left out, too many names one after the other: %s', text)
          return []
        }
        const inner = await this.#dnsaddr(further.name, depth + 1)
        // The specification of multiaddr: a suffix selects the entries that end in it.
        return inner.filter((address) => address.endsWith(further.suffix))
      })
    )
    return found.flat()
  }

  /** Empty where the name or this kind of record does not exist; the last answer where asking fails. */
  async #records<T>(
    kind: (answers: Answers) => Map<string, readonly T[]>,
    name: string,
    ask: () => Promise<readonly T[]>
  ): Promise<readonly T[]> {
    if (this.#left-- <= 0) {
      this.#log('more than %d questions, the rest is left out', DNS_LOOKUPS_MAX)
      return []
    }
    let records: readonly T[] = []
    try {
      records = await ask()
    } catch (error) {
      const code = error instanceof Error && 'code' in error ? error.code : undefined
      if (code !== 'ENOTFOUND' && code !== 'ENODATA') {
        this.#log('no answer about %s, the last one stays: %e', name, error)
        records = kind(this.#before).get(name) ?? []
      }
    }
    kind(this.answers).set(name, records)
    return records
  }
}

function dnsaddrOf(text: string): { readonly name: string; readonly suffix: string } | undefined {
  const [first, ...rest] = parseAddress(text)?.getComponents() ?? []
  if (first?.name !== 'dnsaddr' || first.value === undefined || !namePattern.test(first.value)) {
    return undefined
  }
  const suffix = rest.map(({ name, value }) => `/${name}${value === undefined ? '' : `/${value}`}`)
  return { name: first.value, suffix: suffix.join('') }
}
