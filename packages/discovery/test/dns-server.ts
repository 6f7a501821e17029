import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { decode, encode } from 'dns-packet'
import type { Answer } from 'dns-packet'

/** One record: `data` is an IP address or a text; SRV has a target and a port. */
export type DnsRecord =
  | { readonly type: 'A' | 'AAAA' | 'TXT'; readonly data: string }
  | {
      readonly type: 'SRV'
      readonly data: { readonly target: string; readonly port: number; readonly priority?: number }
    }

/** A real DNS server on loopback whose zone the test changes. */
export interface DnsServer {
  /** For the option `servers`. */
  readonly address: string
  readonly zone: Map<string, readonly DnsRecord[]>
  /** Answers SERVFAIL, as a server does whose own source is gone. */
  broken: boolean
  /** Names and types of records (`AAAA`) to whose questions it answers SERVFAIL. */
  readonly failing: Set<string>
  questions: number
  stop(): Promise<void>
}

const [serverFailure, nameError] = [2, 3]

export async function startDnsServer(): Promise<DnsServer> {
  const zone = new Map<string, readonly DnsRecord[]>()
  const state = { broken: false, failing: new Set<string>(), questions: 0 }
  const socket = createSocket('udp4')
  socket.on('message', (bytes, from) => {
    state.questions++
    const { id, questions } = decode(bytes)
    const [question] = questions ?? []
    const name = question?.name.toLowerCase() ?? ''
    const records = zone.get(name)
    const isFailing =
      state.broken || state.failing.has(name) || state.failing.has(question?.type ?? '')
    const code = isFailing ? serverFailure : records === undefined ? nameError : 0
    const answers = (code === 0 ? (records ?? []) : [])
      .filter(({ type }) => type === question?.type)
      .map((record): Answer => ({ name: question?.name ?? '', ttl: 1, ...record }))
    // The code of the answer is in the lowest bits of the flags.
    const flags = 0x8400 | code
    const reply = { id: id ?? 0, type: 'response' as const, flags, questions: questions ?? [] }
    socket.send(encode({ ...reply, answers }), from.port, from.address)
  })
  socket.bind(0, '127.0.0.1')
  await once(socket, 'listening')
  return Object.assign(state, {
    address: `127.0.0.1:${socket.address().port}`,
    zone,
    stop: async () => {
      const closed = once(socket, 'close')
      socket.close()
      await closed
    }
  })
}
