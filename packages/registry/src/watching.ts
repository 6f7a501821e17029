import type { TypedEventTarget } from 'main-event'
import type { RegistryChange, RegistryEvents } from '@murmuration/interface'
import { ChangeQueue } from './change-queue.ts'
import { compilePattern } from './core/pattern.ts'
import { defaults } from './defaults.ts'

/** The changes that a registry tells of, of agents whose id matches; ends with the signal. */
export async function* watchChanges(
  registry: TypedEventTarget<RegistryEvents>,
  pattern: string,
  signal: AbortSignal | undefined
): AsyncIterable<RegistryChange> {
  const wanted = compilePattern(pattern)
  const queue = new ChangeQueue(defaults.watchQueueMax)
  const onChange = (event: CustomEvent<RegistryChange>): void => {
    if (wanted(event.detail.id)) queue.push(event.detail)
  }
  registry.addEventListener('change', onChange)
  try {
    yield* queue.drain(signal)
  } finally {
    registry.removeEventListener('change', onChange)
  }
}
