import { defineAgent } from '@murmuration/agent'
import { bigCounter, counter, lww, max, min } from '@murmuration/crdt'
import { z } from 'zod'

/** Metrics that are percentages by their name, and the value, × 10^18, above which they alert. */
const PERCENTAGE = /(%|percent|cpu|memory|disk|battery|humidity)$/i
const ALERT_ABOVE = 90n * 10n ** 18n

/**
 * A device of the feed. Every field merges: counts and sums by adding each update once, extremes and
 * the last value by taking the greater.
 */
export const device = defineAgent({
  type: 'device',
  state: {
    count: counter(),
    /** Exact, × 10^18. */
    sum: bigCounter(),
    min: min<bigint>(),
    max: max<bigint>(),
    /** `[time, line, value]`: the greatest time counts, then the greatest line. */
    last: max<readonly [time: bigint, line: number, value: bigint]>(),
    alerts: counter()
  },
  actions: {
    record: {
      description: 'Adds one reading of this device.',
      input: z.object({
        metric: z.string(),
        value: z.bigint(),
        time: z.bigint(),
        line: z.number().int()
      }),
      output: z.number(),
      run({ input, state, key, emit }) {
        state.count.increment(1)
        state.sum.increment(input.value)
        state.min.update(input.value)
        state.max.update(input.value)
        state.last.update([input.time, input.line, input.value])
        if (PERCENTAGE.test(input.metric) && input.value > ALERT_ABOVE) {
          state.alerts.increment(1)
          emit({ type: 'device.alert', subject: key, data: { metric: input.metric } })
        }
        return state.count.value
      }
    },
    peek: {
      description: 'Tells how many readings there are.',
      input: z.null(),
      output: z.number(),
      run: ({ state }) => state.count.value
    }
  }
})

const sample = z.object({
  cpu: z.number(),
  load: z.number(),
  memory: z.number(),
  disk: z.number(),
  received: z.number(),
  sent: z.number()
})

/** The machine under a peer; pinned to it. */
export const host = defineAgent({
  type: 'host',
  placement: 'pinned',
  onPartition: 'continue-all',
  state: {
    samples: counter(),
    latest: lww<z.infer<typeof sample>>(),
    busiest: max<number>()
  },
  actions: {
    observe: {
      description: 'Takes in one sample of the machine.',
      input: sample,
      output: z.number(),
      run({ input, state }) {
        state.samples.increment(1)
        state.latest.set(input)
        state.busiest.update(input.cpu)
        return state.samples.value
      }
    }
  }
})
