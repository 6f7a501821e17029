import { fileURLToPath } from 'node:url'
import { checkCores } from './cores.ts'
import { checkLayers } from './layers.ts'
import { checkManifests } from './manifests.ts'
import { checkReferences } from './references.ts'
import { sourceFiles } from './source-files.ts'
import { checkTexts } from './text-rules.ts'

const root = fileURLToPath(new URL('../../..', import.meta.url))
const files = sourceFiles(root)
const checks = [checkLayers, checkCores, checkManifests, checkReferences, checkTexts]
const problems = checks.flatMap((check) => check(files))
for (const { path, message } of problems) process.stderr.write(`${path}: ${message}\n`)
process.stdout.write(`tidy: ${files.length} files, ${problems.length} problems\n`)
process.exitCode = problems.length === 0 ? 0 : 1
