import type * as Crypto from 'node:crypto'
import type * as FileSystem from 'node:fs/promises'
import type * as Path from 'node:path'

/**
 * The only place that knows of Node. Built-ins are asked for at run time instead of imported, so a
 * browser build needs no replacements: there they are undefined, and slower or fewer things work.
 */
// `process` is absent in browsers, and `getBuiltinModule` before Node 22.3.
const process: Partial<NodeJS.Process> | undefined = globalThis.process

export const nodeCrypto: typeof Crypto | undefined = process?.getBuiltinModule?.('node:crypto')
export const nodeFiles: typeof FileSystem | undefined =
  process?.getBuiltinModule?.('node:fs/promises')
export const nodePath: typeof Path | undefined = process?.getBuiltinModule?.('node:path')

/** Whether file modes mean something here; on Windows they do not. */
export const fileModes: boolean = process?.platform !== 'win32'
