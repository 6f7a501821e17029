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

/** Packages that the code imports from, without those of Node. */
export function importsOf(code: string): string[] {
  const names = [...code.matchAll(/\b(?:from|import) '((?:@[^/']+\/)?[^/']+)/g)]
    .map(([, name = '']) => name)
    .filter((name) => !name.startsWith('node:') && !name.startsWith('.'))
  return [...new Set(names)]
}

/** An example that ended well must have printed something, or asserted it. */
export function showsResult({ code }: Snippet, output: string): boolean {
  return output.trim() !== '' || code.includes("from 'node:assert")
}
