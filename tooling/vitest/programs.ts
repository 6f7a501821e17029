import { join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'

export const root = fileURLToPath(new URL('../..', import.meta.url))

/** Programs that tests start dozens of times: each is made into one file, see `bundles.ts`. */
export const programs = [
  'examples/peer-mesh/src/feeder.ts',
  'examples/peer-mesh/src/peer.ts',
  'tooling/chaos/src/peer.ts'
]

export const folder = join(root, 'node_modules/.cache/test-programs')
const start = join(folder, 'start.mjs')

export function bundleOf(program: string): string {
  return join(folder, `${program.replaceAll('/', '-')}.mjs`)
}

/** Has every process that this one starts take the bundle of its program, where there is one. */
export function startBundled(): void {
  const { NODE_OPTIONS = '' } = process.env
  process.env['NODE_OPTIONS'] = `${NODE_OPTIONS} --import=${pathToFileURL(start).href}`.trim()
}

/** The source of `start.mjs`. It looks at the program that a process is started with, and at nothing after it. */
export function startSource(): string {
  const bundles = Object.fromEntries(
    programs.map((program) => [
      pathToFileURL(join(root, program)).href,
      pathToFileURL(bundleOf(program)).href
    ])
  )
  return `import { registerHooks } from 'node:module'
const bundles = ${JSON.stringify(bundles)}
const hooks = registerHooks({
  resolve(specifier, context, next) {
    const found = next(specifier, context)
    if (context.parentURL !== undefined) return found
    hooks.deregister()
    const url = bundles[found.url]
    return url === undefined ? found : { ...found, url, format: 'module' }
  }
})
`
}
