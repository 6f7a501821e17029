import { Calling } from '../src/core/calling.ts'
import type { CallObserver } from '../src/core/calling.ts'
import { Deadlines } from '../src/core/deadlines.ts'
import { FrameReader } from '../src/core/frame-reader.ts'
import type { Frame } from '../src/core/frames.ts'
import { checkLimits } from '../src/core/limits.ts'
import type { LimitOptions } from '../src/core/limits.ts'
import { Methods } from '../src/core/methods.ts'
import { Outbox } from '../src/core/outbox.ts'
import { Serving } from '../src/core/serving.ts'
import { ManualClock } from './manual-clock.ts'

/** Both ends of a stream joined by hand: bytes move when a test says so. */
export interface Duplex {
  readonly clock: ManualClock
  readonly calling: Calling
  readonly serving: Serving
  readonly methods: Methods
  readonly requests: Outbox
  readonly answers: Outbox
  /** Frames seen so far, with their direction. */
  readonly toServer: Frame[]
  readonly toCaller: Frame[]
  /** Why the server ended the stream, if it did. */
  ended(): Error | undefined
  /** Moves what is queued towards the server. Returns how many bytes. */
  sendRequests(): number
  sendAnswers(): number
  /** Moves bytes and runs microtasks until nothing moves any more. */
  settle(): Promise<void>
}

export function createDuplex(
  options: LimitOptions = {},
  serverOptions: LimitOptions = options,
  observer?: CallObserver
): Duplex {
  const clock = new ManualClock()
  const deadlines = new Deadlines(clock)
  const limits = checkLimits(options)
  const serverLimits = checkLimits(serverOptions)
  const methods = new Methods(serverLimits.concurrencyMax)
  const requests = new Outbox()
  const answers = new Outbox()
  const toServer: Frame[] = []
  const toCaller: Frame[] = []
  let ended: Error | undefined
  const wake = (): void => {}
  const calling = new Calling({
    peer: 'server',
    outbox: requests,
    deadlines,
    limits,
    observer,
    wake
  })
  const serving = new Serving({
    peer: 'caller',
    methods,
    load: { running: 0 },
    outbox: answers,
    deadlines,
    limits: serverLimits,
    wake,
    end: (reason) => {
      ended = reason
    }
  })
  const frameBytesMax = 2_000_000
  const atServer = new FrameReader({
    frameBytesMax,
    onFrame: (frame) => {
      toServer.push(frame)
      serving.receive(frame)
    }
  })
  const atCaller = new FrameReader({
    frameBytesMax,
    onFrame: (frame) => {
      toCaller.push(frame)
      calling.receive(frame)
    }
  })
  const move = (outbox: Outbox, reader: FrameReader): number => {
    let moved = 0
    for (let bytes = outbox.peek(); bytes !== undefined; bytes = outbox.peek()) {
      outbox.left()
      moved += bytes.length
      reader.push(bytes)
    }
    return moved
  }
  const sendRequests = (): number => move(requests, atServer)
  const sendAnswers = (): number => {
    const moved = move(answers, atCaller)
    serving.drained()
    return moved
  }
  const settle = async (): Promise<void> => {
    for (let quiet = 0; quiet < 5;) {
      const moved = sendRequests() + sendAnswers()
      quiet = moved > 0 ? 0 : quiet + 1
      await new Promise<void>((resolve) => setImmediate(resolve))
    }
  }
  return {
    clock,
    calling,
    serving,
    methods,
    requests,
    answers,
    toServer,
    toCaller,
    ended: () => ended,
    sendRequests,
    sendAnswers,
    settle
  }
}

/** The error that a promise rejects with. */
export async function errorOf(promise: Promise<unknown>): Promise<Error & Record<string, unknown>> {
  try {
    await promise
  } catch (error) {
    if (error instanceof Error) return Object.assign(error)
    throw error
  }
  throw new Error('The promise was fulfilled')
}
