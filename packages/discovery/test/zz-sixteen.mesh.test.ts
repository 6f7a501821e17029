import { it } from 'vitest'
import { createNode, foundPeerOf, until } from './mesh-nodes.ts'
it('x', async () => {
  const all = await Promise.all(Array.from({ length: 16 }, async () => createNode({})))
  const peers = all.map(foundPeerOf)
  const from = performance.now(); const cpu = process.cpuUsage()
  let conns = 0, closes = 0
  for (const n of all) { n.addEventListener('connection:open', () => void conns++); n.addEventListener('connection:close', () => void closes++) }
  for (const node of all) node.services.discovery.keep(peers)
  const t = setInterval(() => console.log((performance.now()-from)|0, all.map(n => n.services.discovery.connected().length).join(' '), 'opened', conns, 'closed', closes, 'cpu', (process.cpuUsage(cpu).user/1000)|0), 1000)
  try { await until('full', () => all.every((n) => n.services.discovery.connected().length === 15), 60000) } finally { clearInterval(t) }
  console.log('FULL', performance.now() - from, 'opened', conns, 'closed', closes)
  await Promise.all(all.map(n => n.stop()))
}, 100000)
