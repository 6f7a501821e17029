import { defineAgent } from '@murmuration/agent'
import { counter, lww } from '@murmuration/crdt'
import { z } from 'zod'

/** What the cluster knows of a device; it runs on a member, and lives on two more disks. */
export const sensor = defineAgent({
  type: 'sensor',
  state: { readings: counter(), last: lww<number>() },
  actions: {
    report: {
      input: z.number(),
      output: z.number(),
      run({ input, state, emit }) {
        state.readings.increment(1)
        state.last.set(input)
        if (input > 90) emit({ type: 'sensor.hot', data: { value: input } })
        return state.readings.value
      }
    }
  }
})

/**
 * Runs on the device that its key names, and nowhere else; what it acknowledges is on the disks of two
 * members. Cut off from all of them it goes on for itself.
 */
export const thermostat = defineAgent({
  type: 'thermostat',
  placement: 'pinned',
  onPartition: 'continue-all',
  state: { target: lww<number>(), changes: counter() },
  actions: {
    set: {
      input: z.number(),
      output: z.number(),
      run({ input, state }) {
        state.target.set(input)
        state.changes.increment(1)
        return state.changes.value
      }
    }
  }
})
