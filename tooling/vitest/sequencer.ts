import { BaseSequencer } from 'vitest/node'
import type { TestSpecification } from 'vitest/node'

/**
 * Begins with the files that take longest, in the order given, so that none of them is left alone at the
 * end. What Vitest knows of earlier runs is not there on a machine that has just checked the project out.
 */
export function longestFirst(longest: readonly string[]): typeof BaseSequencer {
  const rankOf = ({ moduleId }: TestSpecification): number => {
    const rank = longest.findIndex((path) => moduleId.endsWith(path))
    return rank === -1 ? longest.length : rank
  }
  const orderOf = ({ project }: TestSpecification): number => project.config.sequence.groupOrder
  return class extends BaseSequencer {
    override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
      const sorted = await super.sort(files)
      return sorted.toSorted((a, b) => orderOf(a) - orderOf(b) || rankOf(a) - rankOf(b))
    }
  }
}
