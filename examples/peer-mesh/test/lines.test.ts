import { describe, expect, it } from 'vitest'
import { LINE_MAX, linesOf } from '../src/lines.ts'

async function lines(...chunks: (string | Uint8Array)[]): Promise<string[]> {
  const found: string[] = []
  const stream = (async function* () {
    yield* chunks
  })()
  for await (const line of linesOf(stream)) found.push(line)
  return found
}

describe('lines of a stream', () => {
  it('ends a line at a line feed only, with or without a carriage return', async () => {
    expect(await lines('a\r\nb\n', '\nc\u2028d\u2029e\rf')).toEqual([
      'a',
      'b',
      '',
      'c\u2028d\u2029e\rf'
    ])
  })

  it('puts together what chunks cut, in the middle of a character too', async () => {
    const bytes = new TextEncoder().encode('grün\nblau')
    expect(await lines(bytes.slice(0, 3), bytes.slice(3))).toEqual(['grün', 'blau'])
  })

  it('passes over a byte order mark at the beginning', async () => {
    expect(await lines('\uFEFFa\n\uFEFFb\n')).toEqual(['a', '\uFEFFb'])
  })

  it('keeps no more of an endless line than shows that it is too long', async () => {
    const found = await lines(...Array.from({ length: 50 }, () => 'x'.repeat(LINE_MAX)), '\nshort')
    expect(found[0]?.length).toBeGreaterThan(LINE_MAX)
    expect(found[0]?.length).toBeLessThan(4 * LINE_MAX)
    expect(found[1]).toBe('short')
  })
})
