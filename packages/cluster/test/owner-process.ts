/**
 * A peer in a process of its own, so that it can be stopped as a whole. Tells its PeerId and
 * addresses, then does what it is asked: calls an agent, and tells what each attempt came to.
 */
import { createCluster } from '@murmuration/cluster'
import { meter } from './meter.ts'

// Written by the test beside this file.
const { bootstrap, dataDir } = JSON.parse(process.argv[2] ?? '') as {
  readonly bootstrap: readonly string[]
  readonly dataDir: string
}
const peer = await createCluster({
  name: 'owners',
  agents: [meter],
  listen: ['/ip4/127.0.0.1/tcp/0'],
  bootstrap,
  dataDir
})
await peer.ready()

process.on('message', ({ key, input }: { readonly key: string; readonly input: number }) => {
  const refusals: { name: string; outcomeUnknown: boolean }[] = []
  const onRetry = (cause: unknown): void => {
    const { name, outcomeUnknown = false } = cause as { name: string; outcomeUnknown?: boolean }
    refusals.push({ name, outcomeUnknown })
  }
  peer
    .agent(meter, key)
    .call('slow', input, { timeoutMs: 60_000, onRetry })
    .then(
      (total) => process.send?.({ total, refusals }),
      (error: unknown) => process.send?.({ error: String(error), refusals })
    )
})
process.send?.({ peerId: peer.peerId, addresses: peer.addresses })
