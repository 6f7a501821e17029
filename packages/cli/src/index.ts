/**
 * The command `murmuration`, for programs that want to run it themselves.
 *
 * @packageDocumentation
 */
export { UsageError } from './arguments.ts'
export type { Output } from './output.ts'
export { run } from './run.ts'
