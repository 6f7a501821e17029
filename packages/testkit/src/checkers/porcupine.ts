import type { Operation } from './history.ts'
import type { ListInput, ListOutput, RegisterInput, RegisterOutput } from './models.ts'

interface Line {
  readonly at: number
  readonly text: string
}

/**
 * A history of one register in the format of Jepsen's etcd test that Porcupine reads
 * (`parseJepsenLog` of its tests), as a second opinion. Values must be whole numbers from 0 on.
 */
export function toRegisterLog(
  operations: readonly Operation<RegisterInput, RegisterOutput>[]
): string {
  return log(operations, ({ input, outcome }, process) => {
    const line = (type: string, what: string): string => {
      return `INFO  jepsen.util - ${process}\t:${type}\t:${what}`
    }
    const found = outcome.status === 'ok' ? outcome.output : undefined
    switch (input.kind) {
      case 'read': {
        // Porcupine ends a read of unknown outcome where it says so: it has no effect.
        const value = found?.value === undefined ? 'nil' : numeral(found.value)
        const end =
          found === undefined ? line('fail', 'read\t:timed-out') : line('ok', `read\t${value}`)
        return [line('invoke', 'read\tnil'), end]
      }
      case 'write': {
        const what = `write\t${numeral(input.value)}`
        return [line('invoke', what), found && line('ok', what)]
      }
      case 'cas': {
        const what = `cas\t[${numeral(input.from)} ${numeral(input.to)}]`
        return [line('invoke', what), found && line(found.swapped === true ? 'ok' : 'fail', what)]
      }
    }
  })
}

/**
 * A history of lists under keys in the format that Porcupine reads as a key-value store
 * (`parseKvLog` of its tests): each element is appended with a comma behind it.
 */
export function toKeyValueLog(operations: readonly Operation<ListInput, ListOutput>[]): string {
  // A read of unknown outcome says nothing, and the format has no line for it.
  const told = operations.filter(({ input, outcome }) => {
    return input.kind === 'append' || outcome.status === 'ok'
  })
  return log(told, ({ key, input, outcome }, process) => {
    const line = (type: string, what: string, value: string): string => {
      return `{:process ${process}, :type :${type}, :f :${what}, :key "${key}", :value ${value}}`
    }
    if (input.kind === 'append') {
      const value = `"${input.element},"`
      const end = outcome.status === 'ok' ? line('ok', 'append', value) : undefined
      return [line('invoke', 'append', value), end]
    }
    const list = outcome.status === 'ok' ? (outcome.output.list ?? []) : []
    const shown = list.map((element) => `${element},`).join('')
    return [line('invoke', 'get', 'nil'), line('ok', 'get', `"${shown}"`)]
  })
}

/**
 * Lines in real time. A process of the log has one operation at a time, and none after one whose
 * outcome is unknown: a client with several gets several.
 */
function log<I, O>(
  operations: readonly Operation<I, O>[],
  linesOf: (operation: Operation<I, O>, process: number) => readonly [string, string | undefined]
): string {
  const lines: Line[] = []
  const freeAt: number[] = []
  const effective = operations.filter(({ outcome }) => outcome.status !== 'failed')
  for (const operation of effective.toSorted((a, b) => a.invokedAt - b.invokedAt)) {
    const { invokedAt, returnedAt } = operation
    const free = freeAt.findIndex((at) => at < invokedAt)
    const process = free < 0 ? freeAt.length : free
    freeAt[process] = returnedAt
    const [begin, end] = linesOf(operation, process)
    lines.push({ at: invokedAt, text: begin })
    if (end !== undefined) {
      lines.push({ at: returnedAt, text: end })
    }
  }
  lines.sort((a, b) => a.at - b.at)
  return lines.map(({ text }) => `${text}\n`).join('')
}

function numeral(value: string | number | undefined): string {
  if (typeof value !== 'number' || !Number.isInteger(value) || value < 0) {
    throw new RangeError(`Porcupine's register log has whole numbers from 0 on, not ${value}`)
  }
  return String(value)
}
