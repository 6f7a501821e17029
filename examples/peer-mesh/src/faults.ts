import type { Mesh, Progress } from './mesh.ts'
import type { Fault } from './options.ts'

export interface ScheduledFaults {
  /** Stops waiting; names the faults that did not happen. */
  cancel(): string[]
  /** Resolves when what follows from the faults was seen, or after a while. */
  settled(): Promise<void>
}

/** Milliseconds to wait at the end for a failover that is still on its way. */
const SETTLE_MAX_MS = 15_000

/** Does each fault at its moment, counted from now or by the progress of the feed. */
export function scheduleFaults(mesh: Mesh, faults: readonly Fault[]): ScheduledFaults {
  const open = new Set(faults)
  const timers: NodeJS.Timeout[] = []
  const inflict = (fault: Fault): void => {
    if (open.has(fault) && mesh.inflict(fault)) open.delete(fault)
  }
  for (const fault of faults) {
    if ('atMs' in fault.at) timers.push(setTimeout(() => inflict(fault), fault.at.atMs))
  }
  const onProgress = ({ applied, total }: Progress): void => {
    if (total === undefined) return
    for (const fault of open) {
      if ('share' in fault.at && applied >= fault.at.share * total) inflict(fault)
    }
  }
  mesh.on('progress', onProgress)
  return {
    cancel() {
      mesh.off('progress', onProgress)
      for (const timer of timers) clearTimeout(timer)
      return [...open].map((fault) =>
        fault.kind === 'split' ? '--split' : `--${fault.kind} of peer ${fault.peer}`
      )
    },
    async settled() {
      const late = Date.now() + SETTLE_MAX_MS
      const pending = (): boolean =>
        mesh.failovers.some(
          ({ detectedMs, servedAgainMs }) => detectedMs === null || servedAgainMs === null
        ) || [...mesh.peers.values()].some(({ condition }) => condition === 'stopping')
      while (pending() && Date.now() < late) await new Promise((resolve) => setTimeout(resolve, 50))
    }
  }
}
