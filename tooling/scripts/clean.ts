import { existsSync, globSync, rmSync } from 'node:fs'

/*
 * tsc never deletes the output of a source that is gone, and a stale file would be packed; nor does it
 * write again what it holds for current. What is whole and current stays, so that the build after a
 * build has nothing to do.
 */
const ENDINGS = ['.js', '.js.map', '.d.ts', '.d.ts.map']

for (const dist of globSync('packages/*/dist')) {
  const stems = globSync(`${dist}/../src/**/*.ts`).map((path) => path.slice(0, -'.ts'.length))
  const wanted = new Set(
    stems.flatMap((stem) => ENDINGS.map((ending) => `${stem.replace(/\bsrc\b/, 'dist')}${ending}`))
  )
  if ([...wanted].some((path) => !existsSync(path))) {
    rmSync(dist, { recursive: true, force: true })
    continue
  }
  for (const path of globSync(`${dist}/**/*.{js,ts,map}`)) if (!wanted.has(path)) rmSync(path)
}
