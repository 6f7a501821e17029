import { generateKeyPair, privateKeyFromProtobuf, privateKeyToProtobuf } from '@libp2p/crypto/keys'
import type { Ed25519PrivateKey } from '@libp2p/interface'
import { CorruptDataError, MurmurationError, StorageError } from '@murmuration/interface'
import { toString } from 'uint8arrays/to-string'
import type * as FileSystem from 'node:fs/promises'
import { keyFileBytesMax } from './defaults.ts'
import { InsecureKeyFileError } from './errors.ts'
import { fileModes, nodeFiles, nodePath } from './node-builtins.ts'

/**
 * The Ed25519 key in the file at `path`; makes key and file (mode 0600, folders 0700) where there is
 * none. Use it for a peer's key and, on one safe machine, for a root key.
 *
 * The file is complete and durable before it appears under its name, and an existing file is never
 * replaced: two processes that start together end with the same key.
 *
 * Errors: `InsecureKeyFileError` (group or others have any right on it), `CorruptDataError` (it does
 * not hold an Ed25519 key), `StorageError` (it cannot be read or written, or there is no file
 * system). After each of them the file is as it was.
 *
 * @example
 * ```ts
 * const privateKey = await loadOrCreateKey('./data/peer.key')
 * ```
 */
export async function loadOrCreateKey(path: string): Promise<Ed25519PrivateKey> {
  if (nodeFiles === undefined) {
    throw new StorageError('there is no file system here: keep the key elsewhere and pass it in')
  }
  const bytes = (await read(nodeFiles, path)) ?? (await create(nodeFiles, path))
  return await decodeKey(bytes, path)
}

/** The content of the file; undefined if there is none. */
async function read(files: typeof FileSystem, path: string): Promise<Uint8Array | undefined> {
  let file: FileSystem.FileHandle
  try {
    file = await files.open(path, 'r')
  } catch (cause) {
    if (codeOf(cause) === 'ENOENT') {
      return undefined
    }
    throw new StorageError(`the key file ${path} cannot be opened`, { cause })
  }
  try {
    const status = await file.stat()
    if (!status.isFile()) {
      throw new StorageError(`${path} is no file`)
    }
    if (fileModes && (status.mode & 0o077) !== 0) {
      const mode = (status.mode & 0o777).toString(8).padStart(4, '0')
      throw new InsecureKeyFileError(
        `the key file ${path} has mode ${mode}, so others may have read it: ` +
          'make a new key, or set mode 0600 if you are sure that nobody did'
      )
    }
    if (status.size > keyFileBytesMax) {
      throw new CorruptDataError(`the key file ${path} is too long for a key`)
    }
    return await file.readFile()
  } catch (cause) {
    if (cause instanceof MurmurationError) {
      throw cause
    }
    throw new StorageError(`the key file ${path} cannot be read`, { cause })
  } finally {
    await file.close()
  }
}

async function create(files: typeof FileSystem, path: string): Promise<Uint8Array> {
  const bytes = privateKeyToProtobuf(await generateKeyPair('Ed25519'))
  const folder = nodePath?.dirname(path) ?? '.'
  const random = toString(globalThis.crypto.getRandomValues(new Uint8Array(8)), 'base16')
  const temporary = `${path}.${random}.new`
  try {
    const made = await files.mkdir(folder, { recursive: true, mode: 0o700 })
    const file = await files.open(temporary, 'wx', 0o600)
    try {
      await file.writeFile(bytes)
      await file.sync()
    } finally {
      await file.close()
    }
    try {
      // A link, not a rename: it fails where the name exists, so the first process wins.
      await files.link(temporary, path)
    } finally {
      await files.unlink(temporary)
    }
    await syncFolders(files, folder, made)
    return bytes
  } catch (cause) {
    if (codeOf(cause) === 'EEXIST') {
      const winner = await read(files, path)
      if (winner !== undefined) {
        return winner
      }
    }
    throw new StorageError(`the key file ${path} cannot be created`, { cause })
  }
}

/** A folder that was made is an entry of the one above it, which has to be durable too. */
async function syncFolders(
  files: typeof FileSystem,
  folder: string,
  firstMade: string | undefined
): Promise<void> {
  await syncFolder(files, folder)
  if (firstMade === undefined || nodePath === undefined) return
  const shortest = nodePath.resolve(firstMade).length
  let made = nodePath.resolve(folder)
  while (made.length >= shortest) {
    made = nodePath.dirname(made)
    // oxlint-disable-next-line no-await-in-loop
    await syncFolder(files, made)
  }
}

async function syncFolder(files: typeof FileSystem, folder: string): Promise<void> {
  if (!fileModes) {
    // Windows cannot open a folder; it makes the name durable with the file.
    return
  }
  const handle = await files.open(folder, 'r')
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}

/** What a key signs to show that it is whole; nobody gets the signature. */
const probe = new TextEncoder().encode('murmuration key file')

async function decodeKey(bytes: Uint8Array, path: string): Promise<Ed25519PrivateKey> {
  let key: ReturnType<typeof privateKeyFromProtobuf>
  try {
    key = privateKeyFromProtobuf(bytes)
  } catch (cause) {
    throw new CorruptDataError(`the key file ${path} is damaged`, { cause })
  }
  if (key.type !== 'Ed25519') {
    throw new CorruptDataError(`the key file ${path} holds a ${key.type} key, not Ed25519`)
  }
  // The file holds the public half too, and so tells whether a bit of either has changed. A signature
  // shows it: to derive the public half anew takes 0.2 s of processor time at each start.
  if (!(await key.publicKey.verify(probe, await key.sign(probe)))) {
    throw new CorruptDataError(`the key file ${path} is damaged: its halves do not match`)
  }
  return key
}

function codeOf(error: unknown): string | undefined {
  return error instanceof Error && 'code' in error && typeof error.code === 'string'
    ? error.code
    : undefined
}
