/**
 * A member with a disk, in a process of its own that may be killed at any time. It publishes what it is
 * told to, at least once, and as a receiver notes in a file what it has begun and what it has handled.
 */
import { appendFileSync } from 'node:fs'
import { createCluster } from '@murmuration/cluster'

/** What the test beside this file starts it with. */
export interface SignalProcessInit {
  readonly dataDir: string
  readonly bootstrap: readonly string[]
  /** Where a receiver keeps its notes. */
  readonly notes?: string
  /** A job whose handler does not end before this process is killed. */
  readonly holds?: number
}

/** What it is asked to do, with a number that comes back in the answer. */
export interface SignalRequest {
  readonly id: number
  readonly publish?: number
}

export interface SignalAnswer {
  readonly id: number
  readonly accepted?: boolean
  readonly members: number
  readonly dead: readonly { readonly job: number; readonly reason: string }[]
}

const init = JSON.parse(process.argv[2] ?? '') as SignalProcessInit // written by the test
const peer = await createCluster({
  name: 'signals',
  secret: 'only for this one test',
  dataDir: init.dataDir,
  bootstrap: init.bootstrap,
  listen: ['/ip4/127.0.0.1/tcp/0']
})
await peer.ready()
const { holds, notes } = init
if (notes !== undefined) {
  await peer.signals.subscribeDurably(
    'job.*',
    async ({ data }) => {
      const job = Number(data)
      appendFileSync(notes, `begun ${job}\n`)
      if (isBad(job)) throw new Error(`job ${job} is bad`)
      await new Promise((resolve) => setTimeout(resolve, job === holds ? 60_000 : 20))
      appendFileSync(notes, `done ${job}\n`)
    },
    { name: 'worker', attemptsMax: 2 }
  )
}

function isBad(job: number): boolean {
  return job % 10 === 9
}

async function answer({ id, publish }: SignalRequest): Promise<SignalAnswer> {
  const dead = (await peer.signals.deadLetters.list()).map(({ signal, reason }) => ({
    job: Number(signal.data),
    reason
  }))
  const members = peer.members().length
  if (publish === undefined) return { id, members, dead }
  const { accepted } = await peer.signals.publish(
    { type: 'job.created', data: publish },
    { delivery: 'at-least-once' }
  )
  return { id, accepted, members, dead }
}

process.on('disconnect', () => process.exit(0))
process.on('message', (request: SignalRequest) => {
  // A failure is an answer too: the test must not wait for it.
  void answer(request).then(
    (done) => process.send?.(done),
    (error: unknown) => process.send?.({ id: request.id, error: String(error) })
  )
})
process.send?.(peer.addresses)
