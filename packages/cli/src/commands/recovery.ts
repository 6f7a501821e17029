import type { LostDisk, LostDisks } from '@murmuration/cluster'
import { operand, required, UsageError } from '../arguments.ts'
import type { Arguments } from '../arguments.ts'
import { visit } from '../entry.ts'
import { table } from '../output.ts'
import type { Output } from '../output.ts'

const asOperator = { operator: true } as const

/** Which disks are waited for, and for what. False where there are any. */
export async function lost(args: Arguments, output: Output): Promise<boolean> {
  return await visit(
    args,
    'edge',
    [],
    async ({ recovery }) => {
      const survey = await recovery.survey()
      show(survey, output)
      return survey.disks.length === 0 && survey.unsafe.length === 0
    },
    asOperator
  )
}

/**
 * Gives lost disks up. Without `--confirm` it says what that would mean and changes nothing; with the
 * number of the very view that was looked at, it does it. False where nothing was given up.
 */
export async function giveUp(args: Arguments, output: Output): Promise<boolean> {
  const { operands, values } = args
  if (operands.length === 0) throw new UsageError('say whose disks: PEER or PEER#INCARNATION')
  const reason = required(values.reason, 'reason')
  const confirmed = values.confirm === undefined ? undefined : viewIn(values.confirm, '--confirm')
  return await visit(
    args,
    'edge',
    [],
    async ({ recovery }) => {
      const survey = await recovery.survey()
      const disks = operands.flatMap((name) => disksOf(name, survey))
      const present = disks.filter(({ isAnswering }) => isAnswering)
      warn(survey, disks, output)
      if (present.length > 0) {
        const names = present.map(({ peer }) => peer).join(', ')
        output.note(`REFUSED: ${names} answers, so its disk may be there. Nothing was changed.`)
        return false
      }
      if (confirmed === undefined) {
        output.data({ view: survey.view, wouldGiveUp: disks.map(idOf), reason }, '')
        output.note(`Nothing was changed. To do it: the same with --confirm ${survey.view}`)
        return false
      }
      const { view } = await recovery.giveUp(disks, { view: confirmed, reason })
      output.data({ view, gaveUp: disks.map(idOf), reason }, `given up in view ${view}`)
      output.note(
        `Look after the data, then: murmuration acknowledge ${view}. Until then every view is marked unsafe.`
      )
      return true
    },
    asOperator
  )
}

/** Takes the marks away, once somebody has looked after the data. */
export async function acknowledge(args: Arguments, output: Output): Promise<void> {
  const view = viewIn(operand(args, 0, 'VIEW'), 'VIEW')
  await visit(
    args,
    'edge',
    [],
    async ({ recovery }) => {
      const done = await recovery.acknowledge(view)
      output.data({ view: done.view }, `acknowledged in view ${done.view}`)
    },
    asOperator
  )
}

function show(survey: LostDisks, output: Output): void {
  const { view, settled, disks, agents, examples, unsafe } = survey
  const head = ['PEER', 'INCARNATION', 'VIEWS', '']
  const lines = disks.map(({ peer, incarnation, views, isAnswering }) => [
    peer,
    incarnation,
    views.join(','),
    isAnswering ? 'it answers, and may come back' : ''
  ])
  output.data(survey, table([head, ...lines]))
  output.note(`view ${view}, settled up to ${settled}; ${disks.length} disks are waited for`)
  if (agents > 0) output.note(`${agents} agents wait for them: ${examples.join(' ')} …`)
  for (const mark of unsafe) {
    output.note(`UNSAFE since view ${mark.view}, by ${mark.by}: ${mark.reason}`)
  }
}

function warn({ agents, examples }: LostDisks, disks: readonly LostDisk[], output: Output): void {
  output.note(
    [
      '*** WHAT ONLY THESE DISKS HOLD WILL BE LOST FOR GOOD ***',
      ...disks.map(({ peer, incarnation }) => `  ${peer}#${incarnation}`),
      'A peer that comes back with one of them is not admitted again: it needs an empty disk.',
      agents === 0
        ? 'No agent that the asked member has copies of waits for them. Others may.'
        : `${agents} agents wait for lost disks: ${examples.join(' ')} …`
    ].join('\n')
  )
}

/** The disks that an operand names, all that are lost of a peer if it names no incarnation. */
function disksOf(name: string, { disks }: LostDisks): readonly LostDisk[] {
  const found = disks.filter((disk) => disk.peer === name || idOf(disk) === name)
  if (found.length === 0) {
    throw new UsageError(`nobody waits for a disk of ${name}: look with murmuration lost`)
  }
  return found
}

function idOf({ peer, incarnation }: LostDisk): string {
  return `${peer}#${incarnation}`
}

function viewIn(value: string, what: string): number {
  const view = Number(value)
  if (Number.isSafeInteger(view) && view > 0) return view
  throw new UsageError(`${what} must be the number of a view, not ${value}`)
}
