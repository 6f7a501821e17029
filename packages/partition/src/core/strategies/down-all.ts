import type { PartitionStrategy } from '@murmuration/interface'

/** Stops everywhere at any split: for state that no rule could bring together again. */
export const downAll: PartitionStrategy = {
  name: 'down-all',
  decide({ others, indirect }) {
    const missing = others.size + indirect.size
    return missing === 0
      ? { verdict: 'run', reason: 'every member is reached' }
      : { verdict: 'pause', reason: `${missing} members are missed, so all sides stop` }
  }
}
