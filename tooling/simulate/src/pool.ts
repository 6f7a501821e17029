import { fork } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import type { Chunk, FromWorker, ToWorker } from './messages.ts'
import type { Schedule, Task } from './schedule.ts'
import type { Failure } from './single-run.ts'

/** A worker that says nothing for so long is stuck in one run. */
const silenceLimitMs = 180_000

export interface PoolEvents {
  readonly failed: (task: Task, failure: Failure) => void
  /** A chunk is done. */
  readonly advanced: () => void
}

interface Worker {
  readonly child: ChildProcess
  current: { readonly task: Task; readonly chunk: Chunk } | undefined
  seed: number | undefined
  heardAt: number
}

/** Runs a schedule in worker processes. */
export class Pool {
  readonly #schedule: Schedule
  readonly #events: PoolEvents
  readonly #workers = new Set<Worker>()
  readonly #ended = Promise.withResolvers<undefined>()
  #isStopping = false

  constructor(schedule: Schedule, events: PoolEvents) {
    this.#schedule = schedule
    this.#events = events
  }

  /** Resolves when everything was run, or after `stop`. */
  async run(workers: number): Promise<void> {
    for (let count = 0; count < workers; count++) this.#start()
    const watch = setInterval(() => this.#watch(), 5000)
    try {
      await this.#ended.promise
    } finally {
      clearInterval(watch)
      for (const { child } of this.#workers) child.kill('SIGKILL')
    }
  }

  /** Ends each worker after its present run. */
  stop(): void {
    this.#isStopping = true
    for (const worker of this.#workers) tell(worker, { kind: 'stop' })
  }

  #start(): void {
    const child = fork(fileURLToPath(new URL('worker.ts', import.meta.url)), {
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
      // Runs make much that soon is garbage: a larger nursery is emptied less often.
      execArgv: ['--max-semi-space-size=32']
    })
    const worker: Worker = { child, current: undefined, seed: undefined, heardAt: Date.now() }
    this.#workers.add(worker)
    child.on('message', (message: FromWorker) => this.#receive(worker, message))
    child.on('error', (error) => this.#ended.reject(error))
    child.on('exit', (code, signal) => {
      this.#workers.delete(worker)
      if (worker.current !== undefined || code !== 0) {
        this.#ended.reject(new Error(`a worker ended (${signal ?? code})${whereOf(worker)}`))
      } else if (this.#workers.size === 0) this.#ended.resolve(undefined)
    })
  }

  #receive(worker: Worker, message: FromWorker): void {
    worker.heardAt = Date.now()
    const { current } = worker
    switch (message.kind) {
      case 'alive': {
        worker.seed = message.seed
        return
      }
      case 'failed': {
        if (current !== undefined) this.#events.failed(current.task, message.failure)
        return
      }
      case 'done': {
        if (current !== undefined) {
          const { completed, cpuMs } = message
          this.#schedule.finished(current.task, current.chunk, completed, cpuMs)
        }
        worker.current = undefined
        this.#events.advanced()
        this.#next(worker)
        return
      }
      case 'ready': {
        this.#next(worker)
      }
    }
  }

  #next(worker: Worker): void {
    const next = this.#isStopping ? undefined : this.#schedule.next()
    if (next === undefined) {
      worker.child.disconnect()
      return
    }
    worker.current = next
    worker.seed = next.chunk.first
    tell(worker, { kind: 'chunk', chunk: next.chunk })
  }

  #watch(): void {
    for (const { child, heardAt, current, seed } of this.#workers) {
      if (current !== undefined && Date.now() - heardAt > silenceLimitMs) {
        child.kill('SIGKILL')
        const text = `${current.task.name} does not end: seed ${seed} or a little above`
        this.#ended.reject(new Error(text))
      }
    }
  }
}

function whereOf({ current, seed }: Worker): string {
  return current === undefined ? '' : ` in ${current.task.name}, seed ${seed} or a little above`
}

function tell(worker: Worker, message: ToWorker): void {
  if (worker.child.connected) worker.child.send(message)
}
