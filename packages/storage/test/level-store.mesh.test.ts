import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { cp, mkdtemp, readdir, readFile, rm, truncate, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { ClassicLevel } from 'classic-level'
import { afterAll, afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { Store } from '@murmuration/interface'
import { openLevelStore } from '../src/index.ts'
import { storeCompliance } from './compliance.ts'

const root = await mkdtemp(join(tmpdir(), 'murmuration-storage-'))
let count = 0
let path = ''

beforeEach(() => {
  count += 1
  path = join(root, `store-${count}`)
})

afterEach(async () => {
  await rm(path, { recursive: true, force: true })
})

afterAll(async () => {
  await rm(root, { recursive: true, force: true })
})

storeCompliance('openLevelStore', () => openLevelStore({ path }))

function value(size: number, salt: number): Uint8Array {
  return new Uint8Array(size).map((_, index) => ((index + salt) * 2_654_435_761) >>> 13)
}

async function fill(store: Store, entries: number, size = 100): Promise<void> {
  for (let index = 0; index < entries; index += 1) {
    await store.write([{ key: `key-${index}`, value: value(size, index) }], { sync: true })
  }
}

/** Reads all; resolves only if every entry is there and right. */
async function readBack(store: Store, entries: number, size = 100): Promise<void> {
  let seen = 0
  for await (const [key, found] of store.entries()) {
    expect(found).toEqual(value(size, Number(key.slice(4))))
    seen += 1
  }
  expect(seen).toBe(entries)
  for (let index = 0; index < entries; index += 1) {
    expect(await store.get(`key-${index}`), `key-${index}`).toBeDefined()
  }
}

async function filesEnding(suffix: string): Promise<string[]> {
  return (await readdir(path)).filter((name) => name.endsWith(suffix)).toSorted()
}

describe('openLevelStore', () => {
  it('keeps everything when it is closed and opened again', async () => {
    const store = await openLevelStore({ path })
    await fill(store, 50)
    await store.close()
    const again = await openLevelStore({ path })
    await readBack(again, 50)
    await again.close()
  })

  it('says which directory is open already, here or in another process', async () => {
    const store = await openLevelStore({ path })
    const refusal = {
      name: 'StorageError',
      message: `the store at ${path} is open already, here or in another process`
    }
    await expect(openLevelStore({ path })).rejects.toMatchObject(refusal)
    await fill(store, 3)
    const child = spawn(process.execPath, [writerPath, path], { stdio: 'pipe' })
    let output = ''
    child.stderr.on('data', (chunk) => {
      output += String(chunk)
    })
    const ended = once(child, 'close')
    const deadline = setTimeout(() => child.kill('SIGKILL'), 10_000)
    await ended
    clearTimeout(deadline)
    expect(output).toContain(refusal.message)
    await readBack(store, 3)
    await store.close()
    await (await openLevelStore({ path })).close()
  })

  it('says which directory cannot be used', async () => {
    await writeFile(path, 'a file')
    await expect(openLevelStore({ path: join(path, 'inside') })).rejects.toMatchObject({
      name: 'StorageError',
      message: `the store at ${join(path, 'inside')} could not be opened`
    })
    await expect(openLevelStore({ path: '' })).rejects.toMatchObject({
      name: 'InvalidParametersError'
    })
  })

  it('refuses more than may wait', async () => {
    const store = await openLevelStore({ path, pendingBytesMax: 1000 })
    const batch = [{ key: 'a', value: new Uint8Array(600) }]
    const first = store.write(batch, { sync: true })
    await expect(store.write(batch, { sync: true })).rejects.toMatchObject({
      name: 'OverloadedError'
    })
    await first
    await store.write(batch, { sync: true })
    await store.close()
  })
})

describe('damage', () => {
  /** Flips one byte of a file at many places and opens a copy of the store each time. */
  async function damageEverywhere(pattern: RegExp, entries: number): Promise<void> {
    const name = (await readdir(path)).find((file) => pattern.test(file))
    if (name === undefined) {
      throw new Error(`there is no file ${String(pattern)} to damage`)
    }
    const intact = await readFile(join(path, name))
    const copy = `${path}-copy`
    let reported = 0
    const step = Math.max(1, Math.floor(intact.length / 97))
    for (let offset = 0; offset < intact.length; offset += step) {
      await rm(copy, { recursive: true, force: true })
      await cp(path, copy, { recursive: true })
      const damaged = Buffer.from(intact)
      damaged[offset] = (damaged[offset] ?? 0) ^ (1 << (offset % 8))
      await writeFile(join(copy, name), damaged)
      let opened: Store | undefined
      try {
        opened = await openLevelStore({ path: copy })
      } catch (error) {
        expect(error, `byte ${offset}`).toMatchObject({ name: 'CorruptDataError' })
        reported += 1
      }
      if (opened !== undefined) {
        // The damaged byte was padding: then nothing may be missing.
        await readBack(opened, entries)
        await opened.close()
      }
    }
    expect(reported).toBeGreaterThan(Math.min(85, intact.length - 10))
    await rm(copy, { recursive: true, force: true })
  }

  it('of any byte of the log is reported and never read as absent', async () => {
    const store = await openLevelStore({ path })
    await fill(store, 40)
    await store.close()
    await damageEverywhere(/\.log$/, 40)
  })

  it('of any byte of a table is reported and never read as absent', async () => {
    const store = await openLevelStore({ path })
    await fill(store, 60)
    await store.close()
    // Opening moves the log into a table.
    await (await openLevelStore({ path })).close()
    await damageEverywhere(/\.ldb$/, 60)
    await damageEverywhere(/^MANIFEST-/, 60)
    await damageEverywhere(/^CURRENT$/, 60)
  })

  it('is reported when a file is missing', async () => {
    const store = await openLevelStore({ path })
    await fill(store, 10)
    await store.close()
    await (await openLevelStore({ path })).close()
    const copy = `${path}-copy`
    for (const pattern of [/\.log$/, /\.ldb$/, /^MANIFEST-/, /^CURRENT$/]) {
      await cp(path, copy, { recursive: true })
      const name = (await readdir(copy)).find((file) => pattern.test(file)) ?? ''
      await rm(join(copy, name))
      await expect(openLevelStore({ path: copy }), name).rejects.toMatchObject({
        name: 'CorruptDataError'
      })
      await rm(copy, { recursive: true })
    }
  })

  it('is not what a compaction that was cut off leaves behind', async () => {
    const store = await openLevelStore({ path })
    await fill(store, 10)
    await store.close()
    await writeFile(join(path, '000777.ldb'), new Uint8Array(500))
    await writeFile(join(path, '000001.log'), new Uint8Array(500).fill(1))
    const again = await openLevelStore({ path })
    await readBack(again, 10)
    await again.close()
  })

  it('is not seen in a store of many tables that was stopped in the middle of its work', async () => {
    for (let round = 0; round < 3; round += 1) {
      const store = await openLevelStore({ path })
      const writes: Promise<void>[] = []
      for (let index = 0; index < 300; index += 1) {
        const batch = Array.from({ length: 100 }, (_, part) => ({
          key: `key-${(index * 7919 + part * 104_729) % 30_011}`,
          value: value(300, index + part)
        }))
        writes.push(store.write(batch, { sync: false }))
      }
      await Promise.all(writes)
      await store.close()
    }
    expect((await filesEnding('.ldb')).length).toBeGreaterThan(3)
    const store = await openLevelStore({ path })
    let seen = 0
    for await (const [key] of store.entries()) {
      expect(key).toMatch(/^key-/)
      seen += 1
    }
    expect(seen).toBeGreaterThan(10_000)
    await store.close()
  })

  it('of a value is reported when it is read, and the others stay readable', async () => {
    await (await openLevelStore({ path })).close()
    const raw = new ClassicLevel<string, Uint8Array>(path, { valueEncoding: 'view' })
    await raw.put('short', new Uint8Array(3))
    await raw.put('wrong', new Uint8Array(20))
    await raw.close()
    const store = await openLevelStore({ path })
    await fill(store, 1)
    for (const key of ['short', 'wrong']) {
      await expect(store.get(key)).rejects.toMatchObject({
        name: 'CorruptDataError',
        message: `the value of ${key} does not match its checksum`
      })
    }
    expect(await store.get('key-0')).toEqual(value(100, 0))
    const reading = async (): Promise<void> => {
      for await (const entry of store.entries({ prefix: 'w' })) {
        expect.unreachable(entry[0])
      }
    }
    await expect(reading()).rejects.toMatchObject({ name: 'CorruptDataError' })
    const damaged: string[] = []
    const keys: string[] = []
    const onDamaged = (key: string): void => void damaged.push(key)
    for await (const [key] of store.entries({ onDamaged })) keys.push(key)
    for await (const [key] of store.sub('w').entries({ onDamaged })) keys.push(key)
    expect(damaged).toEqual(['short', 'wrong', 'rong'])
    expect(keys).toEqual(['key-0'])
    await store.close()
  })

  it('of a value that was moved to another key is reported', async () => {
    const store = await openLevelStore({ path })
    await fill(store, 1)
    await store.close()
    const raw = new ClassicLevel<string, Uint8Array>(path, { valueEncoding: 'view' })
    const stored = await raw.get('key-0')
    await raw.put('key-1', stored ?? new Uint8Array(0))
    await raw.close()
    const again = await openLevelStore({ path })
    await expect(again.get('key-1')).rejects.toMatchObject({ name: 'CorruptDataError' })
    await again.close()
  })

  it('is not what a write that was cut off by a stop leaves behind', async () => {
    const store = await openLevelStore({ path })
    await fill(store, 10)
    await store.close()
    const [name = ''] = await filesEnding('.log')
    const intact = await readFile(join(path, name))
    // Ten records of equal length: cut anywhere into the last one, nine must be left.
    const recordLength = intact.length / 10
    for (const cut of [1, 5, 60, recordLength - 3, recordLength - 8]) {
      const copy = `${path}-copy`
      await cp(path, copy, { recursive: true })
      await truncate(join(copy, name), intact.length - Math.floor(cut))
      const cutOff = await openLevelStore({ path: copy })
      await readBack(cutOff, 9)
      await cutOff.close()
      await rm(copy, { recursive: true })
    }
    await writeFile(join(path, name), Buffer.concat([intact, Buffer.alloc(5000)]))
    const padded = await openLevelStore({ path })
    await readBack(padded, 10)
    await padded.close()
  })
})

const writerPath = fileURLToPath(new URL('writer.ts', import.meta.url))

describe('kill -9', () => {
  it('loses no acknowledged write', async () => {
    const seed = Date.now() % 1_000_000
    let state = seed
    const random = (): number => {
      state = (state * 48_271) % 2_147_483_647
      return state / 2_147_483_647
    }
    let acknowledged = 0
    for (let round = 0; round < 6; round += 1) {
      const child = spawn(process.execPath, [writerPath, path], { stdio: 'pipe' })
      let output = ''
      let errors = ''
      const started = Promise.withResolvers<void>()
      child.stdout.on('data', (chunk) => {
        output += String(chunk)
        started.resolve()
      })
      child.stderr.on('data', (chunk) => {
        errors += String(chunk)
      })
      const ended = once(child, 'close')
      await Promise.race([started.promise, ended])
      await new Promise((resolve) => setTimeout(resolve, random() * 120))
      child.kill('SIGKILL')
      await ended
      expect(errors, `seed ${seed}`).toBe('')
      // The last line may be cut off.
      const numbers = output.split('\n').slice(0, -1).map(Number)
      acknowledged = Math.max(acknowledged, ...numbers)
      const store = await openLevelStore({ path })
      for (let number = 1; number <= acknowledged; number += 1) {
        const found = await store.get(`record-${number}`)
        expect(found?.length, `record ${number}, round ${round}, seed ${seed}`).toBe(64)
      }
      await store.close()
    }
    expect(acknowledged).toBeGreaterThan(50)
  })
})
