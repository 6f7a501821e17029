import { InvalidParametersError } from '@murmuration/interface'
import type { PlacementParameters } from '@murmuration/interface'
import type { MachineConfig, Profile } from './core/context.ts'
import { addressesMax, addressMax, labelsMax, textMax, weightMax } from './defaults.ts'
import type { MembershipComponents, MembershipInit } from './index.ts'

/** The checked options, as the machine takes them. */
export type Settings = Omit<MachineConfig, 'self' | 'random' | 'rules'>

const placementDefault: PlacementParameters = {
  hash: 'sha256-hrw-1',
  slots: 16_384,
  zoneLabel: 'zone'
}

/** Fills in the defaults. Throws `InvalidParametersError` that names the option. */
export function settingsOf(
  { discovery }: Pick<MembershipComponents, 'discovery'>,
  init: MembershipInit
): Settings {
  const { rolesOf } = init
  const labels = valueOf(init.labels) ?? {}
  const weight = valueOf(init.weight) ?? 100
  const contacts = init.contacts ?? (() => [])
  const placement = { ...placementDefault, ...init.placement }
  checkText('cluster', init.cluster)
  checkText('placement.zoneLabel', placement.zoneLabel)
  checkInteger('weight', weight, weightMax)
  checkInteger('placement.slots', placement.slots, 1 << 20)
  checkLabels(labels)
  return {
    cluster: init.cluster,
    placement,
    found: init.found ?? contacts().length === 0,
    profile: profileOf(init, { labels, weight }),
    contacts: () => [...contacts(), ...(discovery?.connected() ?? [])],
    rolesOf,
    serialOf: init.serialOf ?? (() => undefined)
  }
}

function valueOf<T>(value: T | (() => T) | undefined): T | undefined {
  // No option that may be a function has functions as values; the compiler cannot know that.
  return typeof value === 'function' ? (value as () => T)() : value
}

/**
 * What the record of this peer should say now. Labels and weights that are out of their range are
 * not taken: the record stays as it was.
 */
function profileOf(init: MembershipInit, first: Pick<Profile, 'labels' | 'weight'>): () => Profile {
  let last = first
  return () => {
    const next = {
      labels: valueOf(init.labels) ?? first.labels,
      weight: valueOf(init.weight) ?? first.weight
    }
    try {
      checkLabels(next.labels)
      checkInteger('weight', next.weight, weightMax)
      last = next
    } catch {
      // There is nobody to throw it to; the former values are still right ones.
    }
    const way = init.gradual === true ? { gradual: true } : {}
    return { ...last, ...way, addresses: addressesOf(init) }
  }
}

function checkLabels(labels: Readonly<Record<string, string>>): void {
  const entries = Object.entries(labels)
  if (entries.length > labelsMax || entries.flat().some((text) => text.length > textMax)) {
    throw new InvalidParametersError(
      `labels: at most ${labelsMax}, names and values of at most ${textMax} characters`
    )
  }
}

/** Addresses that are too long or too many are left out: a peer has other ones. */
function addressesOf(init: MembershipInit): readonly string[] {
  const addresses = init.addresses?.() ?? []
  return addresses.filter((address) => address.length <= addressMax).slice(0, addressesMax)
}

export function checkText(name: string, text: string): void {
  if (typeof text !== 'string' || text.length === 0 || text.length > textMax) {
    throw new InvalidParametersError(`${name} must be a text of 1 to ${textMax} characters`)
  }
}

function checkInteger(name: string, value: number, max: number): void {
  if (!Number.isSafeInteger(value) || value < 1 || value > max) {
    throw new InvalidParametersError(`${name} must be an integer of 1 to ${max}, got ${value}`)
  }
}
