import type { Problem, SourceFile } from './source-files.ts'

const RULES: readonly {
  readonly files: RegExp
  readonly pattern: RegExp
  readonly message: string
}[] = [
  {
    files: /\.ts$/,
    pattern: /\b(describe|it|test)\.(skip|only|todo)\(/,
    message: 'a test is skipped, focused or empty'
  },
  {
    files: /./,
    pattern: /(?:^|[\s'"`(])\/(?:home|root|work|Users)\/[a-z]/m,
    message: 'a path of one machine'
  },
  {
    files: /packages\/[^/]+\/src\/.*\.ts$/,
    pattern: /\b(not implemented|FIXME|XXX)\b/i,
    message: 'it reads like unfinished work'
  },
  {
    files: /packages\/[^/]+\/src\/.*\.ts$/,
    pattern: /^export default /m,
    message: 'a default export'
  }
]

/** Text that must not stand in the repository. */
export function checkTexts(files: readonly SourceFile[]): Problem[] {
  return files
    .filter(({ path }) => !path.startsWith('tooling/tidy/'))
    .flatMap(({ path, text }) =>
      RULES.filter(({ files: where, pattern }) => where.test(path) && pattern.test(text)).map(
        ({ message }) => ({ path, message })
      )
    )
}
