import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { privateKeyToProtobuf } from '@libp2p/crypto/keys'
import { peerIdFromPrivateKey } from '@libp2p/peer-id'
import { it } from 'vitest'
import { createKeys, createNode, foundPeerOf, until } from './mesh-nodes.ts'
it('x', async () => {
  const [k0, k1] = await createKeys(2)
  for (let i = 0; i < 25; i++) {
    const node = await createNode({ privateKey: i % 2 ? k0 : k1 })
    const ok = i % 2 ? k1 : k0
    const script = fileURLToPath(new URL('mesh-peer.ts', import.meta.url))
    const child = spawn(
      process.execPath,
      [
        script,
        JSON.stringify({
          key: Buffer.from(privateKeyToProtobuf(ok)).toString('hex'),
          port: 45671,
          keep: [foundPeerOf(node)]
        })
      ],
      { stdio: ['ignore', 'pipe', 'inherit'] }
    )
    const [line] = await once(child.stdout, 'data')
    const peer = peerIdFromPrivateKey(ok).toString()
    node.services.discovery.keep([{ peer, addresses: [String(line).trim()] }])
    await until('c', () => node.services.discovery.connected().includes(peer))
    await new Promise((r) => setTimeout(r, 1100))
    const lost = once(node.services.discovery, 'disconnected')
    child.kill('SIGKILL')
    await lost
    const t = performance.now()
    const r = await node.services.discovery.probe(peer)
    console.log('RES', i, r, performance.now() - t)
    await node.stop()
  }
}, 100000)
