import { join } from 'node:path'
import { defineConfig } from 'vitest/config'
import { root } from './programs.ts'
import { longestFirst } from './sequencer.ts'
import { TallyReporter } from './tally.ts'

// Tests start hundreds of processes from the same sources: each takes half as much processor time
// to start where Node keeps what it has compiled.
process.env['NODE_COMPILE_CACHE'] ??= join(root, 'node_modules', '.cache', 'node-compile')

/**
 * Files that keep two cores busy, or hold single calls to a time: nothing runs beside them. A mesh of five and
 * its feeder take 25 s of processor time for one feed and one kill; sixteen peers start in one process.
 */
const alone = [
  'examples/peer-mesh/test/mesh.mesh.test.ts',
  'packages/cluster/test/fault-table.mesh.test.ts',
  'packages/cluster/test/sixteen.mesh.test.ts'
]

/**
 * The longest of the others. The sides of a split must come to rest, so beside it are files that mostly
 * wait: in `lease` and `dht` a third of a core and less is busy.
 */
const longest = [
  'examples/peer-mesh/test/split.mesh.test.ts',
  'packages/cluster/test/steward.mesh.test.ts',
  'packages/cluster/test/edges.mesh.test.ts',
  'packages/cluster/test/lease.mesh.test.ts',
  'packages/registry/test/dht.mesh.test.ts',
  'packages/cluster/test/identity.mesh.test.ts',
  'packages/membership/test/membership.mesh.test.ts',
  'tooling/chaos/test/chaos.mesh.test.ts',
  'packages/discovery/test/discovery.mesh.test.ts',
  'packages/signals/test/signals.mesh.test.ts',
  'tooling/examples-check/test/snippets.mesh.test.ts',
  'tooling/simulate/test/command.mesh.test.ts',
  'packages/cluster/test/signals.mesh.test.ts',
  'packages/cli/test/cli.mesh.test.ts',
  'packages/cluster/test/moves.mesh.test.ts',
  'packages/cluster/test/cluster.mesh.test.ts',
  'examples/edge-device/test/device.mesh.test.ts',
  'packages/identity/test/admission.mesh.test.ts',
  'packages/discovery/test/duplicates.mesh.test.ts'
]

/**
 * Kinds of tests, one kind after the other. `unit`: pure, virtual time. `simulate`: thousands of
 * seeded runs. `mesh`: real sockets, disks or processes, two files at a time, because most of a file
 * is waiting. `alone`: the same, one file after the other. `pack`: packages as users get them.
 */
export default defineConfig({
  root,
  test: {
    sequence: { sequencer: longestFirst(longest) },
    reporters: ['default', new TallyReporter()],
    projects: [
      {
        root,
        test: {
          name: 'unit',
          include: ['{packages,examples,tooling}/*/test/**/*.test.ts'],
          exclude: ['**/*.{mesh,pack,simulate}.test.ts', '**/node_modules/**'],
          isolate: false,
          // Every core: left to itself Vitest keeps one free, which of two is half.
          maxWorkers: '100%',
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
          exclude: [...alone, '**/node_modules/**'],
          globalSetup: ['tooling/vitest/bundles.ts'],
          setupFiles: ['tooling/vitest/start-bundled.ts'],
          maxWorkers: 2,
          sequence: { groupOrder: 2 },
          testTimeout: 60_000,
          hookTimeout: 60_000
        }
      },
      {
        root,
        test: {
          name: 'alone',
          include: alone,
          globalSetup: ['tooling/vitest/bundles.ts'],
          setupFiles: ['tooling/vitest/start-bundled.ts'],
          fileParallelism: false,
          sequence: { groupOrder: 3 },
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
          sequence: { groupOrder: 4 },
          // Installing waits for disks and registries as much as for a processor.
          maxConcurrency: 4,
          testTimeout: 300_000,
          hookTimeout: 300_000
        }
      }
    ]
  }
})
