import { claimed } from '@murmuration/agent-register'
import type { AgentRegister, Claimant } from '@murmuration/agent-register'
import { boolean, list, object, optional, text } from '@murmuration/codec'
import type { Infer } from '@murmuration/codec'
import { defaults } from '../defaults.ts'
import type { Mutants } from './mutants.ts'
import { labelsShape, mergedSideShape, registrationShape } from './shapes.ts'
import type { branchClaimShape } from './shapes.ts'

/** A claim that one side of a split granted by itself. */
export type BranchClaim = Infer<typeof branchClaimShape>

const merged = list(
  object({
    branch: text({ max: 256 }),
    /** Whether the other side had claimed the agent too. */
    isBoth: boolean(),
    /**
     * What was claimed before this merge: who asks again, because the answer was lost, is told the same.
     * Of the latest merges only.
     */
    other: optional(mergedSideShape)
  }),
  { max: defaults.mergesKept }
)

/** What the register keeps of an agent, and of the merges of its claims. */
const kept = object({
  labels: labelsShape,
  metadata: labelsShape,
  merged: optional(merged)
})
type Kept = Infer<typeof kept>
type Merge = NonNullable<Kept['merged']>[number]

export function keptIn(register: AgentRegister | undefined): Kept {
  try {
    return kept.read(register?.registration)
  } catch {
    // Nothing was registered, or by a later version, whose words stay as they are.
    return { labels: {}, metadata: {} }
  }
}

/** What became of the claim of a branch, if the register has taken it up. */
export function mergeOf(
  register: AgentRegister | undefined,
  { branch }: BranchClaim
): Merge | undefined {
  return keptIn(register).merged?.find((one) => one.branch === branch)
}

/**
 * The register after the claim of a branch was merged into it, once. A claim that another side made
 * stands, for the agreed branch ranks highest, and keeps its own words where both have some; otherwise
 * the owner in the agreed view takes the claim over. The same value where that is done, or where the
 * owner is behind what is agreed.
 */
export function mergedClaim(
  current: AgentRegister | undefined,
  owner: Claimant,
  claim: BranchClaim,
  mutants: Mutants = {}
): AgentRegister | undefined {
  if (mergeOf(current, claim) !== undefined && mutants.mergeTwice !== true) return current
  const isBoth = isOfAnother(current, claim)
  const base = isBoth ? current : claimed(current, owner)
  if (base === undefined || base.status === 'released') return current
  const before = keptIn(current?.status === 'released' ? undefined : current)
  const { registration } = claim
  const parts = isBoth ? [before, registration] : [registration, before]
  const words = mutants.forgetSide === true ? [before] : parts
  const merge = {
    branch: claim.branch,
    isBoth,
    ...(current === undefined ? {} : { other: sideIn(current) })
  }
  return {
    ...base,
    registration: {
      ...registrationShape.read(registration),
      labels: union(words.map(({ labels }) => labels)),
      metadata: union(words.map(({ metadata }) => metadata)),
      merged: mergesAfter(before.merged ?? [], merge)
    }
  }
}

function mergesAfter(before: readonly Merge[], merge: Merge): Merge[] {
  const all = [...before, merge].slice(-defaults.mergesKept)
  return all.map(({ branch, isBoth, other }, at) => {
    const isLate = at < all.length - defaults.othersKept || other === undefined
    return isLate ? { branch, isBoth } : { branch, isBoth, other }
  })
}

/** What had been claimed before a side brought its claim. */
function sideIn(register: AgentRegister): NonNullable<Merge['other']> {
  const { owner: peer, epoch, status } = register
  const { labels, metadata } = keptIn(status === 'released' ? undefined : register)
  return { peer, epoch, labels, metadata }
}

/** Whether somebody beyond that side has the agent: not who had it there before the split. */
function isOfAnother(
  current: AgentRegister | undefined,
  { members, epoch }: BranchClaim
): current is AgentRegister {
  if (current === undefined || current.status === 'released') return false
  return !members.includes(current.owner) || current.epoch.view > epoch.view
}

/** All that any has, as far as there is room; the first one that has a name decides. */
function union(parts: readonly Readonly<Record<string, string>>[]): Record<string, string> {
  const all = new Map(parts.toReversed().flatMap((part) => Object.entries(part)))
  const first = new Set(parts.flatMap((part) => Object.keys(part)))
  const names = [...first].slice(0, defaults.labelsMax)
  return Object.fromEntries(names.map((name) => [name, all.get(name) ?? '']))
}
