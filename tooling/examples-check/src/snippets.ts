import { readFileSync } from 'node:fs'

export interface Snippet {
  /** Number of the line of its first line of code. */
  readonly line: number
  readonly code: string
}

/**
 * The examples of a Markdown file: its fences marked `ts`. A fence marked `ts fragment` shows a piece
 * that does not run alone, and is left out.
 */
export function snippetsOf(path: string): Snippet[] {
  const found: Snippet[] = []
  const lines = readFileSync(path, 'utf8').split('\n')
  let start: number | undefined
  for (const [at, line] of lines.entries()) {
    if (start === undefined && line === '```ts') start = at + 1
    else if (start !== undefined && line === '```') {
      found.push({ line: start + 1, code: lines.slice(start, at).join('\n') })
      start = undefined
    }
  }
  return found
}
