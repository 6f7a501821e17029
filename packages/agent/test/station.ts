import { counter, list, lww, set } from '@murmuration/crdt'
import { MurmurationError } from '@murmuration/interface'
import type { Signal } from '@murmuration/interface'
import { defineAgent } from '@murmuration/agent'
import { z } from 'zod'

/** Lets a test hold up handlers, and count their runs. */
export const gates = {
  runs: 0,
  order: [] as string[],
  signals: [] as AbortSignal[],
  emitLater: undefined as ((signal: { type: string }) => void) | undefined,
  /** Hears each signal to which the agent reacts. */
  onSignal: undefined as ((signal: Signal) => void) | undefined,
  /** Resolves what the next `slow` waits for. */
  open: [] as (() => void)[],
  reset(): void {
    gates.runs = 0
    gates.order = []
    gates.signals = []
    gates.open = []
    gates.emitLater = undefined
    gates.onSignal = undefined
  }
}

/** The agent of these tests. */
export const station = defineAgent({
  type: 'station',
  state: { count: counter(), last: lww<string>(), seen: list<string>(), tags: set<string>() },
  actions: {
    add: {
      input: z.number(),
      output: z.number(),
      run({ input, state, emit }) {
        gates.runs++
        gates.order.push(`add ${input}`)
        state.count.increment(input)
        emit({ type: 'station.added', data: input })
        return state.count.value
      }
    },
    slow: {
      input: z.number(),
      output: z.number(),
      async run({ input, state, emit, signal }) {
        gates.runs++
        gates.order.push(`slow ${input}`)
        gates.signals.push(signal)
        await new Promise<void>((resolve) => gates.open.push(resolve))
        state.count.increment(input)
        emit({ type: 'station.slowed', data: input })
        return state.count.value
      }
    },
    obedient: {
      input: z.number(),
      output: z.number(),
      async run({ input, state, signal }) {
        gates.runs++
        await new Promise<void>((resolve, reject) => {
          gates.open.push(resolve)
          signal.addEventListener('abort', () => setImmediate(reject, new Error('told to stop')))
        })
        state.count.increment(input)
        return state.count.value
      }
    },
    peek: {
      input: z.null(),
      output: z.number(),
      run({ state, emit }) {
        gates.runs++
        emit({ type: 'station.peeked' })
        return state.count.value
      }
    },
    fail: {
      input: z.enum(['plain', 'coded', 'typed', 'retryable', 'not-owner', 'late', 'text']),
      output: z.null(),
      async run({ input, state, emit }) {
        gates.runs++
        state.count.increment(1_000)
        emit({ type: 'station.failed' })
        if (input === 'late') await Promise.resolve()
        if (input === 'plain' || input === 'late') throw new RangeError('too much')
        if (input === 'text') throw 'just text' as unknown as Error // a handler may throw anything
        if (input === 'coded') {
          throw Object.assign(new Error('no funds'), { name: 'FundsError', code: 'ERR_FUNDS' })
        }
        const name = { typed: 'SoldOutError', retryable: 'UnavailableError' }[input as string]
        throw new MurmurationError(name ?? 'NotOwnerError', 'of the handler', {
          code: 'ERR_OWN',
          retryable: input !== 'typed'
        })
      }
    },
    lie: {
      input: z.null(),
      output: z.number(),
      // A handler without types may return anything.
      run({ state }) {
        state.count.increment(1)
        return 'no number' as unknown as number
      }
    },
    echo: { input: z.any(), output: z.any(), run: ({ input }) => input },
    keep: {
      input: z.any(),
      output: z.any(),
      run({ state, input }) {
        state.count.increment()
        return input === 'function' ? { f: () => 1 } : input
      }
    },
    who: {
      input: z.null(),
      output: z.object({ id: z.string(), key: z.string(), view: z.number() }),
      run: ({ id, key, epoch }) => ({ id, key, view: epoch.view })
    },
    chatty: {
      input: z.number(),
      output: z.null(),
      run({ input, emit }) {
        for (let i = 0; i < input; i++) emit({ type: 'chat' })
        gates.emitLater = emit
        return null
      }
    },
    spread: {
      input: z.number(),
      output: z.number(),
      run(context) {
        const { input, state } = { ...context }
        state.count.increment(input)
        return state.count.value
      }
    },
    parsed: {
      input: z.string().transform(async (text) => Number(text)),
      output: z.number().refine(async (value) => value < 100, 'too large'),
      run({ input, state }) {
        state.count.increment(input)
        return state.count.value
      }
    }
  },
  on: {
    'day.*': (signal, { state }) => {
      gates.onSignal?.(signal)
      state.seen.push(`* ${signal.type}`)
    },
    'day.**': async (signal, { state, emit }) => {
      await Promise.resolve()
      state.seen.push(`** ${String(signal.data)}`)
      emit({ type: 'station.reacted' })
    },
    'day.broken': (_, { state }) => {
      state.seen.push('broken')
      throw new RangeError('broken')
    }
  }
})

/** The same, but it goes on while the network is split. */
export const steady = defineAgent({
  type: 'steady',
  onPartition: 'continue-all',
  state: { count: counter() },
  actions: {
    add: {
      input: z.number(),
      output: z.number(),
      run({ input, state }) {
        state.count.increment(input)
        return state.count.value
      }
    }
  }
})
