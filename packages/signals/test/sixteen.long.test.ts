import { fork } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { describe, expect, it } from 'vitest'
import type { Order, Reply } from './member-process.ts'

describe('sixteen processes behind one address', () => {
  it('get all of what each of them publishes, in order', async () => {
    const script = new URL('member-process.ts', import.meta.url)
    const members = Array.from({ length: 16 }, () => fork(script))
    const next = async (member: ChildProcess): Promise<Reply> => {
      // What `member-process.ts` sends.
      const [reply] = (await once(member, 'message')) as [Reply]
      return reply
    }
    const tell = async (member: ChildProcess, order: Order): Promise<Reply> => {
      const reply = next(member)
      member.send(order)
      return await reply
    }
    try {
      const addresses = (await Promise.all(members.map(next))).map(({ address }) => address ?? '')
      for (const [index, member] of members.entries()) {
        await tell(member, { kind: 'dial', addresses: addresses.slice(0, index) })
      }
      await Promise.all(members.map((member) => tell(member, { kind: 'meet', listeners: 15 })))
      const count = 10
      await Promise.all(
        members.map((member, from) => tell(member, { kind: 'publish', from, count }))
      )
      const wanted = members.flatMap((_, from) =>
        Array.from({ length: count }, (_order, number) => `${from}/${number}`)
      )
      const reports = (): Promise<(readonly unknown[])[]> =>
        Promise.all(members.map(async (each) => (await tell(each, { kind: 'report' })).got ?? []))
      let got = await reports()
      const late = performance.now() + 30_000
      while (got.some((list) => list.length < wanted.length) && performance.now() < late) {
        await new Promise((resolve) => setTimeout(resolve, 100))
        got = await reports()
      }
      for (const list of got) {
        const byAuthor = members.flatMap((_, from) =>
          list.filter((each) => String(each).startsWith(`${from}/`))
        )
        expect(byAuthor).toEqual(wanted)
      }
    } finally {
      for (const member of members) member.kill('SIGKILL')
    }
    // Sixteen starts and 120 handshakes are 40 s of processor time.
  }, 120_000)
})
