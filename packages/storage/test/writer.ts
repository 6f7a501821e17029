/**
 * Writes synced records with rising numbers into the store at the path it is given, and prints each
 * number when it is acknowledged, until it is killed, or ends by itself after 20 seconds.
 */
import { writeSync } from 'node:fs'
import { openLevelStore } from '../src/index.ts'

const [, , path = ''] = process.argv
const store = await openLevelStore({ path })
let next = 1
while ((await store.get(`record-${next}`)) !== undefined) {
  next += 1
}
while (performance.now() < 20_000) {
  const numbers = [next, next + 1, next + 2]
  next += numbers.length
  await Promise.all(
    numbers.map(async (number) => {
      await store.write([{ key: `record-${number}`, value: new Uint8Array(64).fill(number) }], {
        sync: true
      })
      // Not `console.log`, which may still hold the text when the process is killed.
      writeSync(1, `${number}\n`)
    })
  )
}
await store.close()
