import { parseArguments, UsageError } from './arguments.ts'
import type { Arguments } from './arguments.ts'
import { processOutput } from './output.ts'
import type { Output } from './output.ts'
import { usage } from './usage.ts'

/** False means that it ran and found something wrong. */
type Command = (args: Arguments, output: Output) => Promise<boolean | void>

/** Each is loaded when it is asked for: most of a peer is not needed to say what is wrong. */
const commands: Readonly<Record<string, () => Promise<Command>>> = {
  root: async () => (await import('./commands/root.ts')).root,
  start: async () => (await import('./commands/start.ts')).start,
  invite: async () => (await import('./commands/invite.ts')).invite,
  members: async () => (await import('./commands/look.ts')).members,
  actions: async () => (await import('./commands/look.ts')).actions,
  'who-owns': async () => (await import('./commands/look.ts')).whoOwns,
  call: async () => (await import('./commands/call.ts')).call,
  watch: async () => (await import('./commands/look.ts')).watch,
  lost: async () => (await import('./commands/recovery.ts')).lost,
  'give-up': async () => (await import('./commands/recovery.ts')).giveUp,
  acknowledge: async () => (await import('./commands/recovery.ts')).acknowledge,
  doctor: async () => (await import('./commands/doctor.ts')).doctor
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
    const load = Object.hasOwn(commands, name) ? commands[name] : undefined
    if (load === undefined) {
      throw new UsageError(
        args.command === undefined ? 'a command is missing' : `no command ${args.command}`
      )
    }
    const command = await load()
    return (await command(args, output)) === false ? 1 : 0
  } catch (error) {
    if (error instanceof UsageError) {
      output.note(`${error.message}\n\n${usage}`)
      return 2
    }
    output.note(error instanceof Error ? `${error.name}: ${error.message}` : String(error))
    return 1
  }
}
