import { join } from 'node:path'
import { defineConfig } from 'vitest/config'
import { root } from './programs.ts'
import { TallyReporter } from './tally.ts'

// Tests start hundreds of processes from the same sources: each takes half as much processor time
// to start where Node keeps what it has compiled.
process.env['NODE_COMPILE_CACHE'] ??= join(root, 'node_modules', '.cache', 'node-compile')

/**
 * Kinds of tests, one kind after the other. `unit`: pure, virtual time. `simulate`: thousands of
 * seeded runs. `mesh`: real sockets, disks or processes, one file after the other. `pack`:
 * packages as users get them.
 */
export default defineConfig({
  root,
  test: {
    reporters: ['default', new TallyReporter()],
    projects: [
      {
        root,
        test: {
          name: 'unit',
          include: ['{packages,examples,tooling}/*/test/**/*.test.ts'],
          exclude: ['**/*.{mesh,pack,simulate}.test.ts', '**/node_modules/**'],
          isolate: false,
          sequence: { groupOrder: 0 },
          testTimeout: 30_000
        }
      },
      {
        root,
        test: {
          // It starts a process for each core, so nothing runs beside it.
          name: 'simulate',
          include: ['tooling/simulate/test/**/*.simulate.test.ts'],
          fileParallelism: false,
          sequence: { groupOrder: 1 },
          testTimeout: 300_000
        }
      },
      {
        root,
        test: {
          name: 'mesh',
          include: ['{packages,examples,tooling}/*/test/**/*.mesh.test.ts'],
          exclude: ['**/node_modules/**'],
          globalSetup: ['tooling/vitest/bundles.ts'],
          setupFiles: ['tooling/vitest/start-bundled.ts'],
          // With two at a time, sixteen peers that start beside another file found no room.
          fileParallelism: false,
          sequence: { groupOrder: 2 },
          testTimeout: 60_000,
          hookTimeout: 60_000
        }
      },
      {
        root,
        test: {
          name: 'pack',
          include: ['tooling/*/test/**/*.pack.test.ts'],
          fileParallelism: false,
          sequence: { groupOrder: 3 },
          // Installing waits for disks and registries as much as for a processor.
          maxConcurrency: 4,
          testTimeout: 300_000,
          hookTimeout: 300_000
        }
      }
    ]
  }
})
