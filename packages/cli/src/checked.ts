import { access } from 'node:fs/promises'
import { isClusterName } from '@murmuration/cluster'
import { multiaddr } from '@multiformats/multiaddr'
import { required, UsageError } from './arguments.ts'

/** The name of a cluster, checked before anything is made under it. */
export function clusterName(text: string | undefined): string {
  const name = required(text, 'name')
  if (isClusterName(name)) return name
  throw new UsageError(`--name must be 1 to 63 lower-case letters, digits or "-", not ${name}`)
}

/** Addresses, each a multiaddr. */
export function addresses(texts: readonly string[], option: string): readonly string[] {
  for (const text of texts) {
    try {
      multiaddr(text)
    } catch {
      throw new UsageError(`--${option} must be a multiaddr, not ${text}`)
    }
  }
  return texts
}

/** The path of a file that has to be there already: a typing error must not make a new one. */
export async function existing(path: string, option: string, hint = ''): Promise<string> {
  try {
    await access(path)
    return path
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? error.code : undefined
    // Any other fault is for who reads it to tell.
    if (code !== 'ENOENT' && code !== 'ENOTDIR') return path
    throw new UsageError(`--${option}: there is no file ${path}${hint}`)
  }
}
