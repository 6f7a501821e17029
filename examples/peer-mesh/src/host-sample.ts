import { readFile, statfs } from 'node:fs/promises'
import { cpus, freemem, loadavg, totalmem } from 'node:os'
import type { HostSample } from './protocol.ts'

interface Totals {
  readonly busy: number
  readonly all: number
  readonly received: number
  readonly sent: number
  readonly atMs: number
}

/**
 * Reads the machine: CPU, memory and disk in percent, load of one minute per processor, network in
 * bytes per second. What a platform does not tell (`/proc` is Linux) is 0.
 */
export class HostSampler {
  #last: Totals | undefined

  async sample(): Promise<HostSample> {
    const now = await totals()
    const last = this.#last ?? now
    this.#last = now
    const seconds = Math.max(0.001, (now.atMs - last.atMs) / 1_000)
    const all = now.all - last.all
    return {
      cpu: all === 0 ? 0 : round(((now.busy - last.busy) / all) * 100),
      load: round((loadavg()[0] ?? 0) / Math.max(1, cpus().length)),
      memory: round((1 - (await availableMemory()) / totalmem()) * 100),
      disk: await diskUse(),
      received: round((now.received - last.received) / seconds),
      sent: round((now.sent - last.sent) / seconds)
    }
  }
}

async function totals(): Promise<Totals> {
  let busy = 0
  let all = 0
  for (const { times } of cpus()) {
    const sum = times.user + times.nice + times.sys + times.idle + times.irq
    all += sum
    busy += sum - times.idle
  }
  return { busy, all, ...(await network()), atMs: performance.now() }
}

async function network(): Promise<{ readonly received: number; readonly sent: number }> {
  let received = 0
  let sent = 0
  for (const line of (await procFile('/proc/net/dev')).split('\n').slice(2)) {
    const [name = '', numbers = ''] = line.split(':')
    const fields = numbers.trim().split(/\s+/).map(Number)
    if (name.trim() === '' || fields.length < 9) continue
    received += fields[0] ?? 0
    sent += fields[8] ?? 0
  }
  return { received, sent }
}

/** `MemAvailable` counts what caches would give back; `freemem` does not. */
async function availableMemory(): Promise<number> {
  const match = /^MemAvailable:\s+(\d+) kB/m.exec(await procFile('/proc/meminfo'))
  return match === null ? freemem() : Number(match[1]) * 1_024
}

async function diskUse(): Promise<number> {
  const { blocks, bavail } = await statfs('/')
  return blocks === 0 ? 0 : round((1 - bavail / blocks) * 100)
}

async function procFile(path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8')
  } catch {
    return '' // Not Linux: the fields of this file stay 0.
  }
}

function round(value: number): number {
  return Math.round(value * 100) / 100
}
