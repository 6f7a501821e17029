import { readFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { OptionError } from '../options.ts'
import type { Mesh, Progress } from '../mesh.ts'
import { reasonOf } from '../writable.ts'
import { splitsPage, viewsOf } from './splits.ts'
import type { SplitView } from './splits.ts'

export interface Dashboard {
  readonly url: string
  close(): Promise<void>
}

const PUSH_INTERVAL_MS = 250
const VIEWERS_MAX = 16
const NOTES_KEPT = 12
const AGENTS_SHOWN_MAX = 500
/** Agents of one merge in the picture; the page of splits has more. */
const MERGED_SHOWN_MAX = 8

/** Serves the page on loopback, and the state of the mesh as server-sent events. */
export async function startDashboard(mesh: Mesh, port: number): Promise<Dashboard> {
  const page = await readFile(new URL('./page.html', import.meta.url))
  const splits = (): SplitView[] => viewsOf(mesh.merges, (peer) => indexOf(mesh, peer))
  const viewers = new Set<ServerResponse>()
  const notes: string[] = []
  let progress: Progress | undefined
  mesh.on('note', (text) => {
    notes.push(`${new Date().toISOString().slice(11, 19)} ${text}`)
    if (notes.length > NOTES_KEPT) notes.shift()
  })
  mesh.on('progress', (told) => {
    progress = told
  })
  const server = createServer((request, response) => {
    if (request.url === '/') {
      response.writeHead(200, {
        'content-type': 'text/html; charset=utf-8',
        'content-security-policy': "default-src 'self' 'unsafe-inline'"
      })
      response.end(page)
    } else if (request.url === '/splits') {
      response.writeHead(200, {
        'content-type': 'text/html; charset=utf-8',
        'content-security-policy': "default-src 'none'; style-src 'unsafe-inline'",
        'cache-control': 'no-store'
      })
      response.end(splitsPage(splits()))
    } else if (request.url === '/splits.json') {
      response.writeHead(200, { 'content-type': 'application/json', 'cache-control': 'no-store' })
      response.end(JSON.stringify(splits()))
    } else if (request.url === '/events' && viewers.size < VIEWERS_MAX) {
      response.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-store' })
      viewers.add(response)
      response.on('close', () => viewers.delete(response))
      response.write(`data: ${JSON.stringify(pictureOf(mesh, notes, progress))}\n\n`)
    } else {
      response.writeHead(request.url === '/events' ? 503 : 404).end()
    }
  })
  await listen(server, port)
  const push = setInterval(() => {
    if (viewers.size === 0) return
    const data = `data: ${JSON.stringify(pictureOf(mesh, notes, progress))}\n\n`
    for (const viewer of viewers) viewer.write(data)
  }, PUSH_INTERVAL_MS)
  // A listening TCP server has an address with a port.
  const { port: taken } = server.address() as AddressInfo
  return {
    url: `http://127.0.0.1:${taken}/`,
    async close() {
      clearInterval(push)
      for (const viewer of viewers) viewer.end()
      server.closeAllConnections()
      await new Promise<void>((resolve) => server.close(() => resolve()))
    }
  }
}

function listen(server: ReturnType<typeof createServer>, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) => {
      const reason = error.code === 'EADDRINUSE' ? 'the port is taken' : reasonOf(error)
      reject(new OptionError(`--dashboard ${port}: ${reason}.`))
    })
    server.listen(port, '127.0.0.1', resolve)
  })
}

function pictureOf(mesh: Mesh, notes: readonly string[], progress: Progress | undefined): object {
  return {
    peers: [...mesh.peers.values()].map(({ index, condition, peer, status }) => ({
      index,
      condition,
      peer,
      view: status?.view ?? 0,
      standing: status?.standing ?? '',
      verdict: status?.verdict ?? 'run',
      reachable: status?.reachable ?? [],
      agents: (status?.agents ?? []).slice(0, AGENTS_SHOWN_MAX).map(({ id, calls }) => [id, calls]),
      documents: status?.documents ?? 0,
      signals: status?.signals ?? 0,
      host: status?.host ?? null,
      latency: status?.latency ?? { p50: 0, p95: 0 },
      rssBytes: status?.rssBytes ?? 0
    })),
    notes,
    merges: mesh.merges.map((merge) => ({
      ...merge,
      examples: merge.examples
        .slice(0, MERGED_SHOWN_MAX)
        .map((agent) => ({ ...agent, owner: indexOf(mesh, agent.owner) }))
    })),
    progress: progress ?? null
  }
}

function indexOf(mesh: Mesh, owner: string | undefined): number | null {
  return [...mesh.peers.values()].find(({ peer }) => peer === owner)?.index ?? null
}
