import { describe, expect, it } from 'vitest'
import { GroupWriter } from '../src/core/group-writer.ts'

interface Commit {
  readonly keys: string[]
  readonly sync: boolean
  readonly finish: () => void
  readonly fail: (error: Error) => void
}

/** A writer whose turns and commits are ended by hand. */
function setup(init: { pendingBytesMax?: number; pendingOperationsMax?: number } = {}): {
  writer: GroupWriter
  commits: Commit[]
  turn: () => Promise<void>
  /** Lets the time pass that lazy writes wait; says whether one waited. */
  delay: () => boolean
} {
  const commits: Commit[] = []
  const deferred: (() => void)[] = []
  let delayed: (() => void) | undefined
  const writer = new GroupWriter(
    {
      commit: (operations, sync) => {
        const { promise, resolve, reject } = Promise.withResolvers<void>()
        commits.push({
          keys: operations.map(({ key }) => key),
          sync,
          finish: resolve,
          fail: reject
        })
        return promise
      },
      defer: (task) => deferred.push(task),
      delay: (task) => {
        delayed = task
        return () => {
          delayed = undefined
        }
      }
    },
    { pendingBytesMax: 1_000_000_000, pendingOperationsMax: 1_000_000, ...init }
  )
  const turn = async (): Promise<void> => {
    for (const task of deferred.splice(0)) {
      task()
    }
    for (let tick = 0; tick < 20; tick += 1) {
      await Promise.resolve()
    }
  }
  const delay = (): boolean => {
    const task = delayed
    delayed = undefined
    task?.()
    return task !== undefined
  }
  return { writer, commits, turn, delay }
}

function one(key: string, size = 0): [{ key: string; value: Uint8Array }] {
  return [{ key, value: new Uint8Array(size) }]
}

describe('group commit', () => {
  it('joins the writes of one turn into one synced group', async () => {
    const { writer, commits, turn } = setup()
    const done: string[] = []
    for (const key of ['a', 'b', 'c']) {
      void writer.write(one(key), key === 'b').then(() => done.push(key))
    }
    expect(commits).toHaveLength(0)
    await turn()
    expect(commits).toMatchObject([{ keys: ['a', 'b', 'c'], sync: true }])
    expect(done).toEqual([])
    commits[0]?.finish()
    await turn()
    expect(done).toEqual(['a', 'b', 'c'])
  })

  it('does not sync a group that nobody asked to sync', async () => {
    const { writer, commits, turn } = setup()
    void writer.write(one('a'), false)
    await turn()
    expect(commits).toMatchObject([{ keys: ['a'], sync: false }])
  })

  it('lets lazy writes wait for others, and keeps the order', async () => {
    const { writer, commits, delay, turn } = setup()
    void writer.write(one('a'), false, true)
    void writer.write(one('b'), false, true)
    await turn()
    expect(commits).toHaveLength(0)
    void writer.write(one('c'), true)
    void writer.write(one('d'), false, true)
    await turn()
    expect(commits).toMatchObject([{ keys: ['a', 'b', 'c', 'd'], sync: true }])
    expect(delay()).toBe(false)
    void writer.write(one('e'), false, true)
    commits[0]?.finish()
    await turn()
    // One that runs takes along what has come.
    expect(commits[1]).toMatchObject({ keys: ['e'], sync: false })
    commits[1]?.finish()
    await turn()
    void writer.write(one('f'), false, true)
    expect(delay()).toBe(true)
    await turn()
    expect(commits[2]).toMatchObject({ keys: ['f'], sync: false })
  })

  it('does not let lazy writes wait when they are many bytes, are to be synced, or it is closed', async () => {
    const { writer, commits, delay, turn } = setup()
    void writer.write(one('a', 1_048_576), false, true)
    await turn()
    expect(commits).toMatchObject([{ keys: ['a'] }])
    commits[0]?.finish()
    await turn()
    void writer.write(one('b'), true, true)
    await turn()
    expect(commits[1]).toMatchObject({ keys: ['b'], sync: true })
    commits[1]?.finish()
    await turn()
    const last = writer.write(one('c'), false, true)
    const closed = writer.close()
    await turn()
    expect(commits[2]).toMatchObject({ keys: ['c'] })
    commits[2]?.finish()
    await Promise.all([last, closed])
    expect(delay()).toBe(false)
  })

  it('joins what arrives during a sync into the next group', async () => {
    const { writer, commits, turn } = setup()
    void writer.write(one('a'), true)
    await turn()
    void writer.write(one('b'), false)
    await turn()
    void writer.write(one('c'), true)
    await turn()
    expect(commits).toHaveLength(1)
    commits[0]?.finish()
    await turn()
    expect(commits[1]).toMatchObject({ keys: ['b', 'c'], sync: true })
  })

  it('splits what is too large for one group', async () => {
    const { writer, commits, turn } = setup()
    for (const key of ['a', 'b', 'c']) {
      void writer.write(one(key, 5_000_000), true)
    }
    await turn()
    expect(commits).toMatchObject([{ keys: ['a'] }])
    commits[0]?.finish()
    await turn()
    expect(commits[1]).toMatchObject({ keys: ['b'] })
  })

  it('refuses writes beyond the limits, and takes them again when the disk caught up', async () => {
    const { writer, commits, turn } = setup({ pendingBytesMax: 10, pendingOperationsMax: 3 })
    const refusal = expect.objectContaining({ name: 'OverloadedError', retryable: true })
    void writer.write(one('a', 8), true)
    expect(() => writer.write(one('b', 1), true)).toThrow(refusal)
    void writer.write(one('c'), true)
    await turn()
    expect(() => writer.write(one('d', 1), true)).toThrow(refusal)
    commits[0]?.finish()
    await turn()
    void writer.write([...one('e'), ...one('f'), ...one('g')], true)
    expect(() => writer.write(one('h'), true)).toThrow(refusal)
    await turn()
    expect(commits[1]).toMatchObject({ keys: ['e', 'f', 'g'] })
  })

  it('acknowledges nothing after a failed write', async () => {
    const { writer, commits, turn } = setup()
    const first = writer.write(one('a'), true)
    const second = writer.write(one('b'), true)
    await turn()
    const third = writer.write(one('c'), false)
    commits[0]?.fail(new Error('disk full'))
    const refusal = expect.objectContaining({
      name: 'StorageError',
      cause: expect.objectContaining({ message: 'disk full' })
    })
    await expect(first).rejects.toEqual(refusal)
    await expect(second).rejects.toEqual(refusal)
    await expect(third).rejects.toEqual(refusal)
    expect(commits).toHaveLength(1)
    expect(() => writer.write(one('d'), true)).toThrow(refusal)
    // Until the store was opened again.
    expect(writer.failed).toBe(true)
    writer.recovered()
    void writer.write(one('e'), true)
    await turn()
    expect(commits[1]).toMatchObject({ keys: ['e'] })
  })

  it('waits on closing for what it accepted', async () => {
    const { writer, commits, turn } = setup()
    let closed = false
    const write = writer.write(one('a'), true)
    const closing = writer.close().then(() => {
      closed = true
    })
    expect(() => writer.write(one('b'), true)).toThrow('closed')
    await turn()
    expect(closed).toBe(false)
    commits[0]?.finish()
    await write
    await closing
    expect(closed).toBe(true)
  })
})
