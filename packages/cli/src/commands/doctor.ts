import { once } from 'node:events'
import { access, constants, stat } from 'node:fs/promises'
import { connect } from 'node:net'
import { networkInterfaces } from 'node:os'
import { join } from 'node:path'
import { multiaddr } from '@multiformats/multiaddr'
import type { Arguments } from '../arguments.ts'
import { table } from '../output.ts'
import type { Output } from '../output.ts'

interface Finding {
  readonly check: string
  readonly ok: boolean
  readonly detail: string
}

/** Looks at what a peer needs here. False where something stands in its way. */
export async function doctor({ values }: Arguments, output: Output): Promise<boolean> {
  const findings = [
    node(),
    network(),
    ...(values.data === undefined ? [] : await folder(values.data)),
    ...(await Promise.all((values.join ?? []).map(reach)))
  ]
  for (const { check, ok, detail } of findings) {
    output.data({ check, ok, detail }, table([[ok ? 'ok ' : 'BAD', check, detail]]))
  }
  return findings.every(({ ok }) => ok)
}

function node(): Finding {
  const { version } = process
  const major = Number(/^v(\d+)/.exec(version)?.[1])
  return { check: 'Node', ok: major >= 22, detail: `${version}, 22 or later is needed` }
}

function network(): Finding {
  const addresses = Object.values(networkInterfaces())
    .flat()
    .filter((one) => one !== undefined && !one.internal)
    .map((one) => one?.address)
  const detail = addresses.length === 0 ? 'loopback only' : addresses.join(' ')
  return { check: 'network', ok: addresses.length > 0, detail }
}

async function folder(path: string): Promise<Finding[]> {
  const findings: Finding[] = []
  try {
    await access(path, constants.R_OK | constants.W_OK)
    findings.push({ check: 'data folder', ok: true, detail: path })
  } catch (error) {
    findings.push({ check: 'data folder', ok: false, detail: reasonOf(error) })
    return findings
  }
  try {
    const { mode } = await stat(join(path, 'peer.key'))
    const isPrivate = (mode & 0o077) === 0
    const detail = isPrivate ? 'for its owner only' : 'others can read it: chmod 600'
    findings.push({ check: 'key file', ok: isPrivate, detail })
  } catch {
    findings.push({ check: 'key file', ok: true, detail: 'made at the first start' })
  }
  return findings
}

/** Whether something listens at an address; who it is shows only when a peer joins. */
async function reach(address: string): Promise<Finding> {
  const check = `reach ${address}`
  try {
    const parts = multiaddr(address).getComponents()
    const host = parts.find(({ name }) => /^(ip|dns)/.test(name))?.value
    const port = Number(parts.find(({ name }) => name === 'tcp')?.value)
    if (host === undefined || !(port > 0)) return { check, ok: false, detail: 'no TCP address' }
    const from = performance.now()
    const socket = connect({ host, port })
    try {
      await once(socket, 'connect', { signal: AbortSignal.timeout(3_000) })
      return { check, ok: true, detail: `${(performance.now() - from).toFixed(1)} ms` }
    } finally {
      socket.destroy()
    }
  } catch (error) {
    return { check, ok: false, detail: reasonOf(error) }
  }
}

function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
