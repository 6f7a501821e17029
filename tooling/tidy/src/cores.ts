import type { Problem, SourceFile } from './source-files.ts'

/** What a protocol core must get from outside, so that a simulator can run it. */
const FORBIDDEN: readonly (readonly [RegExp, string])[] = [
  [/\bDate\.now\s*\(/, 'Date.now'],
  [/\bnew Date\s*\(\s*\)/, 'new Date()'],
  [/\bperformance\.now\s*\(/, 'performance.now'],
  [/\bMath\.random\s*\(/, 'Math.random'],
  [/\bcrypto\.(getRandomValues|randomUUID)\s*\(/, 'crypto randomness'],
  [/\b(setTimeout|setInterval|setImmediate|queueMicrotask)\s*\(/, 'a timer'],
  [/from 'node:/, 'a node: import'],
  [/from '(libp2p|@libp2p\/(?!interface'))/, 'a libp2p import']
]

/** Clock, randomness, timers and input or output in `src/core/`. */
export function checkCores(files: readonly SourceFile[]): Problem[] {
  return files
    .filter(({ path }) => /^packages\/[^/]+\/src\/core\//.test(path))
    .flatMap(({ path, text }) => {
      const code = text.replace(/\/\*[\s\S]*?\*\//g, '').replace(/\/\/.*$/gm, '')
      return FORBIDDEN.filter(([pattern]) => pattern.test(code)).map(([, what]) => ({
        path,
        message: `a protocol core must not use ${what}: it comes from outside`
      }))
    })
}
