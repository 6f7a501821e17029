import { isFactual } from '@murmuration/interface'
import { checkAccepted, parseArguments, UsageError } from './arguments.ts'
import type { Accepted, Arguments, Option } from './arguments.ts'
import { processOutput } from './output.ts'
import type { Output } from './output.ts'
import { usage } from './usage.ts'

/** False means that it ran and found something wrong. */
type Run = (args: Arguments, output: Output) => Promise<boolean | void>

interface Command extends Accepted {
  /** Loaded when it is asked for: most of a peer is not needed to say what is wrong. */
  load(): Promise<Run>
}

const visiting: readonly Option[] = ['name', 'join', 'root', 'secret-file', 'data', 'timeout']

const commands: Readonly<Record<string, Command>> = {
  root: {
    load: async () => (await import('./commands/root.ts')).root,
    options: ['out'],
    operandsMax: 0
  },
  start: {
    load: async () => (await import('./commands/start.ts')).start,
    options: [
      'data',
      'name',
      'root',
      'invite',
      'secret-file',
      'listen',
      'join',
      'role',
      'mdns',
      'kademlia',
      'label',
      'agents'
    ],
    operandsMax: 0
  },
  invite: {
    load: async () => (await import('./commands/invite.ts')).invite,
    options: ['name', 'root', 'at', 'role', 'hours'],
    operandsMax: 0
  },
  members: {
    load: async () => (await import('./commands/look.ts')).members,
    options: visiting,
    operandsMax: 0
  },
  actions: {
    load: async () => (await import('./commands/look.ts')).actions,
    options: visiting,
    operandsMax: 0
  },
  'who-owns': {
    load: async () => (await import('./commands/look.ts')).whoOwns,
    options: visiting,
    operandsMax: 1
  },
  call: {
    load: async () => (await import('./commands/call.ts')).call,
    options: visiting,
    operandsMax: 3
  },
  watch: {
    load: async () => (await import('./commands/look.ts')).watch,
    options: [...visiting, 'count'],
    operandsMax: 1
  },
  lost: {
    load: async () => (await import('./commands/recovery.ts')).lost,
    options: visiting,
    operandsMax: 0
  },
  'give-up': {
    load: async () => (await import('./commands/recovery.ts')).giveUp,
    options: [...visiting, 'reason', 'confirm'],
    operandsMax: Infinity
  },
  acknowledge: {
    load: async () => (await import('./commands/recovery.ts')).acknowledge,
    options: visiting,
    operandsMax: 1
  },
  doctor: {
    load: async () => (await import('./commands/doctor.ts')).doctor,
    options: ['data', 'join'],
    operandsMax: 0
  }
}

/** Runs one command line; resolves with the exit code. */
export async function run(
  argv: readonly string[],
  outputFor: (isJson: boolean) => Output = processOutput
): Promise<number> {
  let output = outputFor(false)
  try {
    const args = parseArguments(argv)
    output = outputFor(args.values.json ?? false)
    if (args.values.help === true) {
      output.data({ usage }, usage.trimEnd())
      return 0
    }
    const name = args.command ?? ''
    const command = Object.hasOwn(commands, name) ? commands[name] : undefined
    if (command === undefined) {
      throw new UsageError(
        args.command === undefined ? 'a command is missing' : `no command ${args.command}`
      )
    }
    checkAccepted(args, command)
    const runCommand = await command.load()
    return (await runCommand(args, output)) === false ? 1 : 0
  } catch (error) {
    if (isUsage(error)) {
      output.note(`${error.message} (see murmuration --help)`)
      return 2
    }
    output.note(error instanceof Error ? `${error.name}: ${error.message}` : String(error))
    return 1
  }
}

/** An option that another package refuses is a wrong command line too, unless another peer said so. */
function isUsage(error: unknown): error is Error {
  return (
    error instanceof UsageError ||
    (isFactual(error) && error.name === 'InvalidParametersError' && error.peer === undefined)
  )
}
