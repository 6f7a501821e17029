import type * as Dns from 'node:dns/promises'
import type * as Files from 'node:fs'
import type * as Path from 'node:path'

/**
 * The only place that knows of Node. Built-ins are asked for at run time instead of imported, so a
 * browser build needs no replacements: there they are undefined, and the strategies that need them
 * say so when they are made.
 */
// `process` is absent in browsers, and `getBuiltinModule` before Node 22.3.
const process: Partial<NodeJS.Process> | undefined = globalThis.process

export const nodeDns: typeof Dns | undefined = process?.getBuiltinModule?.('node:dns/promises')
export const nodeFiles: typeof Files | undefined = process?.getBuiltinModule?.('node:fs')
export const nodePath: typeof Path | undefined = process?.getBuiltinModule?.('node:path')
export const nodeEnvironment: Readonly<Record<string, string | undefined>> = process?.env ?? {}
