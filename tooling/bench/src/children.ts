import { fork } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'

/** Child processes of one run. None outlives it: `end` kills what is left. */
export class Children {
  readonly #children = new Set<ChildProcess>()

  async start(module: URL, args: readonly string[] = []): Promise<unknown> {
    const child = fork(module, args)
    this.#children.add(child)
    child.once('exit', () => this.#children.delete(child))
    const exited = once(child, 'exit').then(([code]: unknown[]) => {
      throw new Error(`${module.pathname} ended with code ${String(code)} before it was ready`)
    })
    const [message]: unknown[] = await Promise.race([once(child, 'message'), exited])
    // A later exit is how the child ends.
    exited.catch(() => {})
    return message
  }

  /** Ends all children; resolves when they have gone. */
  async end(): Promise<void> {
    const children = [...this.#children].filter(({ exitCode }) => exitCode === null)
    const gone = children.map((child) => once(child, 'exit'))
    for (const child of children) child.kill('SIGKILL')
    await Promise.all(gone)
  }
}
