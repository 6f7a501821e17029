import type { ChildInit } from './protocol.ts'

/** The variable in which a process of the mesh finds what it is started with. */
export const CHILD_INIT = 'MURMURATION_MESH_CHILD'

export function readChildInit(): ChildInit {
  const text = process.env[CHILD_INIT]
  if (text === undefined) throw new Error('this file is started by main.ts')
  return JSON.parse(text) as ChildInit // written by spawn.ts of the same program
}

/** Tells the launcher; a launcher that is gone ends this process. */
export function tell(message: object): void {
  if (!process.connected) return
  process.send?.(message, undefined, undefined, (error) => {
    if (error !== null) process.exit(1)
  })
}

/** Ctrl-C reaches the whole group: only the launcher acts on it, and ends its children in order. */
export function leaveSignalsToLauncher(): void {
  process.on('SIGINT', () => undefined)
  process.on('disconnect', () => process.exit(1))
}
