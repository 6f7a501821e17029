import type { RegisterKey } from '@murmuration/interface'
import type { Group } from './home-set.ts'

/**
 * A register as one text: `slot/replicas/shardKey/id`, so that those which live together stand
 * together in the store. The shard key has its length in front, for it may contain anything.
 */
export type RegisterName = string

const slotDigits = 5

export function nameOf({ id, replicas, shardKey }: RegisterKey, slot: number): RegisterName {
  const shard = shardKey === undefined ? '' : `${shardKey.length}:${shardKey}`
  return `${slot.toString(16).padStart(slotDigits, '0')}/${replicas}/${shard}/${id}`
}

export function groupOf(name: RegisterName): Group {
  return name.slice(0, slotDigits + 2)
}

export function partsOf(group: Group): { readonly slot: number; readonly replicas: number } {
  return {
    slot: Number.parseInt(group.slice(0, slotDigits), 16),
    replicas: Number(group.slice(slotDigits + 1))
  }
}

/** Whether a text that came from elsewhere can be a name. */
export function isName(text: string): boolean {
  return /^[0-9a-f]{5}\/[1-7]\/(\d+:[^]*|)\/[^]+$/.test(text)
}
