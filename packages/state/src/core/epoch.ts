import type { Epoch } from '@murmuration/interface'

/** Later tenures compare greater: by view, then by boot of the owner. */
export function compareEpochs(a: Epoch, b: Epoch): number {
  return a.view - b.view || a.boot - b.boot
}
