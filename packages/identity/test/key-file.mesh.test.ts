import { execFile } from 'node:child_process'
import { chmod, mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { generateKeyPair, privateKeyToProtobuf } from '@libp2p/crypto/keys'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { loadOrCreateKey } from '../src/index.ts'

const run = promisify(execFile)
let folder = ''
let path = ''

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'murmuration-identity-'))
  path = join(folder, 'peer.key')
})

afterEach(async () => {
  await rm(folder, { recursive: true })
})

async function modeOf(file: string): Promise<number> {
  return (await stat(file)).mode & 0o777
}

describe('a key file', () => {
  test('is made once, for its owner only, and read from then on', async () => {
    const key = await loadOrCreateKey(path)
    expect(await modeOf(path)).toBe(0o600)
    expect(key.type).toBe('Ed25519')
    expect((await loadOrCreateKey(path)).equals(key)).toBe(true)
    expect(await readdir(folder)).toEqual(['peer.key'])
  })

  test('is made with its folders', async () => {
    const deep = join(folder, 'a', 'b', 'peer.key')
    await loadOrCreateKey(deep)
    expect(await modeOf(join(folder, 'a'))).toBe(0o700)
  })

  test('is made with its folders, each durable in the one above it', async () => {
    const opened = vi.spyOn(process.getBuiltinModule('node:fs/promises'), 'open')
    try {
      await loadOrCreateKey(join(folder, 'c', 'd', 'peer.key'))
      const paths = opened.mock.calls.map(([each]) => each)
      const folders = [join(folder, 'c', 'd'), join(folder, 'c'), folder]
      expect(paths).toEqual(expect.arrayContaining(folders))
      expect(paths).not.toContain(tmpdir())
    } finally {
      opened.mockRestore()
    }
  })

  test('is one key for all that start together in one process', async () => {
    const keys = await Promise.all(Array.from({ length: 8 }, () => loadOrCreateKey(path)))
    expect(new Set(keys.map((key) => key.publicKey.toString())).size).toBe(1)
    expect(await readdir(folder)).toEqual(['peer.key'])
  })

  test('is one key for processes that start together', async () => {
    const source = new URL('../src/index.ts', import.meta.url).href
    const program = `
      const { loadOrCreateKey } = await import(${JSON.stringify(source)})
      const key = await loadOrCreateKey(process.argv[1])
      console.log(key.publicKey.toString())`
    const start = async (): Promise<string> => {
      const args = ['--input-type=module', '-e', program, path]
      return (await run(process.execPath, args)).stdout.trim()
    }
    const names = await Promise.all([start(), start(), start()])
    expect(names[0]).toMatch(/^12D3KooW/)
    expect(new Set(names).size).toBe(1)
    expect((await loadOrCreateKey(path)).publicKey.toString()).toBe(names[0])
  })

  test('with rights for others is refused and left alone', async () => {
    await loadOrCreateKey(path)
    const before = await readFile(path)
    for (const mode of [0o644, 0o640, 0o604, 0o620, 0o601]) {
      await chmod(path, mode)
      await expect(loadOrCreateKey(path)).rejects.toMatchObject({
        name: 'InsecureKeyFileError',
        code: 'ERR_INSECURE_KEY_FILE'
      })
      expect(await modeOf(path)).toBe(mode)
    }
    expect(await readFile(path)).toEqual(before)
    await chmod(path, 0o400)
    await loadOrCreateKey(path)
  })

  test('that is damaged is refused and left alone', async () => {
    await loadOrCreateKey(path)
    const good = await readFile(path)
    const secp = privateKeyToProtobuf(await generateKeyPair('secp256k1'))
    const flips = [5, 20, 40, 67].map((at) => {
      const bytes = Uint8Array.from(good)
      bytes[at] = (bytes[at] ?? 0) ^ 1
      return bytes
    })
    const cases = [new Uint8Array(), good.subarray(0, 40), new Uint8Array(5_000), secp, ...flips]
    for (const bytes of cases) {
      await writeFile(path, bytes)
      await expect(loadOrCreateKey(path)).rejects.toMatchObject({
        name: 'CorruptDataError',
        code: 'ERR_CORRUPT_DATA'
      })
      expect(new Uint8Array(await readFile(path))).toEqual(new Uint8Array(bytes))
    }
  })

  test('that cannot be read or made is a storage error', async () => {
    await mkdir(path, { mode: 0o700 })
    await expect(loadOrCreateKey(path)).rejects.toMatchObject({ code: 'ERR_STORAGE' })
    const file = join(folder, 'file')
    await writeFile(file, 'x')
    await expect(loadOrCreateKey(join(file, 'peer.key'))).rejects.toMatchObject({
      code: 'ERR_STORAGE'
    })
    expect((await readdir(folder)).toSorted()).toEqual(['file', 'peer.key'])
  })
})
