import { globSync, rmSync } from 'node:fs'

// tsc never deletes the output of a source that is gone; a stale file would be packed.
for (const folder of globSync('packages/*/dist')) rmSync(folder, { recursive: true, force: true })
