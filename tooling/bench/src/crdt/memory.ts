/**
 * A process of its own: how much memory ten thousand small documents of one engine take. Prints
 * bytes of the process per document.
 */
import { contenders } from './contenders.ts'
import { fieldsOf } from './work.ts'

const DOCUMENTS = 10_000
const [, , name, limit] = process.argv
const contender = contenders.find((each) => each.name === name)
if (contender === undefined) throw new Error(`there is no engine ${name}`)
const end = performance.now() + Number(limit)
const kept: unknown[] = [contender.create(1, fieldsOf(0))]
globalThis.gc?.()
const before = process.memoryUsage.rss()
while (kept.length <= DOCUMENTS && performance.now() < end) {
  kept.push(contender.create(kept.length + 1, fieldsOf(kept.length)))
}
globalThis.gc?.()
const bytes = (process.memoryUsage.rss() - before) / (kept.length - 1)
console.log(JSON.stringify({ documents: kept.length - 1, bytes }))
