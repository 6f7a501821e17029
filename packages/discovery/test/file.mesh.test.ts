import { mkdir, mkdtemp, rename, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, describe, expect, it } from 'vitest'
import { file } from '../src/index.ts'
import { createKeys, createNode, until } from './mesh-nodes.ts'
import type { Node, NodeInit } from './mesh-nodes.ts'

const nodes: Node[] = []
const folders: string[] = []

async function start(init: NodeInit = {}): Promise<Node> {
  const node = await createNode(init)
  nodes.push(node)
  return node
}

async function folder(): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), 'murmuration-file-'))
  folders.push(path)
  return path
}

function addressOf(node: Node): string {
  return String(node.getMultiaddrs()[0])
}

function isConnected(node: Node, other: Node): () => boolean {
  return () => node.services.discovery.connected().includes(other.peerId.toString())
}

afterEach(async () => {
  await Promise.all(nodes.splice(0).map(async (node) => node.stop()))
  await Promise.all(folders.splice(0).map(async (path) => rm(path, { recursive: true })))
})

describe('a file of addresses', () => {
  it('is followed while it appears, changes and is replaced; who leaves it stays connected', async () => {
    const path = join(await folder(), 'peers.txt')
    const [one, another, third] = [await start(), await start(), await start()]
    const self = await start({ strategies: [file({ path, refreshMs: 60_000 })] })
    expect(self.services.discovery.connected()).toEqual([])
    await writeFile(path, `# our peers\n${addressOf(one)}\n`)
    const ms = await until('the file appeared', isConnected(self, one))
    await writeFile(path, JSON.stringify([addressOf(another)]))
    await until('the file changed', isConnected(self, another))
    await writeFile(path, '["broken')
    await writeFile(`${path}.new`, `nonsense, ${addressOf(third)}`)
    await rename(`${path}.new`, path)
    await until('the file was replaced', isConnected(self, third))
    expect(self.services.discovery.connected()).toHaveLength(3)
    await rm(path)
    await new Promise((resolve) => setTimeout(resolve, 300))
    expect(self.services.discovery.connected()).toHaveLength(3)
    console.log(`connected ${ms.toFixed(0)} ms after the file appeared`)
  })

  it('may be the file of a Kubernetes ConfigMap, where a symbolic link is changed', async () => {
    const root = await folder()
    const [one, another] = [await start(), await start()]
    for (const [name, node] of [
      ['..1', one],
      ['..2', another]
    ] as const) {
      await mkdir(join(root, name))
      await writeFile(join(root, name, 'peers'), addressOf(node))
    }
    await symlink('..1', join(root, '..data'))
    await symlink(join('..data', 'peers'), join(root, 'peers'))
    const path = join(root, 'peers')
    const self = await start({ strategies: [file({ path, refreshMs: 60_000 })] })
    await until('the first', isConnected(self, one))
    await symlink('..2', join(root, '..new'))
    await rename(join(root, '..new'), join(root, '..data'))
    await until('the second', isConnected(self, another))
  })

  it('that is too large or no text leaves the last list in place', async () => {
    const path = join(await folder(), 'peers.txt')
    const [privateKey] = await createKeys(1)
    if (privateKey === undefined) throw new Error('no key')
    const one = await start({ privateKey })
    await writeFile(path, addressOf(one))
    const self = await start({ strategies: [file({ path, refreshMs: 1_000, backoffMaxMs: 200 })] })
    await until('found', isConnected(self, one))
    await writeFile(path, `${addressOf(one)}\n${'#'.repeat(70_000)}`)
    const port = Number(/\/tcp\/(\d+)/.exec(addressOf(one))?.[1])
    await one.stop()
    const back = await start({ port, privateKey })
    await until('met again', isConnected(self, back))
  })
})
