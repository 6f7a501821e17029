import type { Merge } from '../chronicle.ts'

/** What became of what one peer did for its side of a split, for people. */
export interface SplitView {
  /** The peer that owned the agents on that side, and all of that side, by their numbers. */
  readonly peer: number
  readonly side: readonly number[]
  /** ISO 8601: from when to when the side went on by itself. */
  readonly began: string
  readonly ended: string
  readonly seconds: number
  /** Agents that it changed meanwhile; on several sides; with values to choose from. */
  readonly agents: number
  readonly both: number
  readonly conflicts: number
  /** The first of them, those of several sides before the others. */
  readonly merged: readonly MergedView[]
}

export interface MergedView {
  readonly id: string
  readonly changedBy: 'several sides' | 'this side'
  readonly updates: number
  readonly elsewhere: number
  /** The number of the peer that owns it now; null where that is not known. */
  readonly owner: number | null
  /** Fields whose values exclude each other, with the values of both where they are known. */
  readonly fields: readonly {
    readonly field: string
    readonly here: readonly string[]
    readonly there: readonly string[]
  }[]
}

/** All merges that are remembered, the latest first. */
export function viewsOf(
  merges: readonly Merge[],
  indexOf: (peer: string | undefined) => number | null
): SplitView[] {
  return merges.toReversed().map((merge) => ({
    peer: merge.index,
    side: merge.members.flatMap((peer) => indexOf(peer) ?? []).toSorted((a, b) => a - b),
    began: new Date(merge.began).toISOString(),
    ended: new Date(merge.ended).toISOString(),
    seconds: merge.durationMs / 1_000,
    agents: merge.agents,
    both: merge.both,
    conflicts: merge.conflicts,
    merged: merge.examples.map(({ id, sides, updates, elsewhere, owner, conflicts, diverged }) => ({
      id,
      changedBy: sides === 'both' ? 'several sides' : 'this side',
      updates,
      elsewhere,
      owner: indexOf(owner),
      fields: conflicts.map(
        (field) => diverged.find((one) => one.field === field) ?? { field, here: [], there: [] }
      )
    }))
  }))
}

/** The page: no script, so that it can be kept and read later. */
export function splitsPage(views: readonly SplitView[]): string {
  const body =
    views.length === 0
      ? '<p>No side of a split went on by itself so far.</p>'
      : views.map((view) => sectionOf(view)).join('\n')
  return `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Splits of the mesh</title>
<style>${STYLE}</style>
<h1>Splits of the mesh</h1>
<p>What each peer did for its side of a split, and what became of it. The latest comes first.
<a href="/">The mesh now</a></p>
${body}
</html>
`
}

const STYLE = `
:root { color-scheme: light dark }
body { font: 14px/1.5 system-ui, sans-serif; margin: 2rem; max-width: 70rem }
table { border-collapse: collapse; width: 100% }
th, td { text-align: left; padding: .2rem .8rem .2rem 0; vertical-align: top; border-bottom: 1px solid #8884 }
td.number, th.number { text-align: right }
td { overflow-wrap: anywhere }
`

function sectionOf(view: SplitView): string {
  const { peer, side, began, ended, seconds, agents, both, conflicts, merged } = view
  const missing = agents - merged.length
  return `<section>
<h2>Peer ${peer}, on the side of ${side.join(', ')}</h2>
<p>Went on by itself from <time>${began}</time> to <time>${ended}</time>, ${seconds.toFixed(1)} s:
${agents} agents, ${both} changed on several sides, ${conflicts} with values to choose from.</p>
<table>
<tr><th>agent<th>changed by<th class="number">updates here<th class="number">elsewhere<th>values<th>owner now</tr>
${merged.map((agent) => rowOf(agent)).join('\n')}
</table>
${missing > 0 ? `<p>And ${missing} more.</p>` : ''}
</section>`
}

function rowOf({ id, changedBy, updates, elsewhere, owner, fields }: MergedView): string {
  const values = fields.map(
    ({ field, here, there }) =>
      `${escaped(field)}: here ${listOf(here)}, elsewhere ${listOf(there)}`
  )
  const cells = [
    `<td>${escaped(id)}`,
    `<td>${changedBy}`,
    `<td class="number">${updates}`,
    `<td class="number">${elsewhere}`,
    `<td>${values.length === 0 ? 'all count' : values.join('<br>')}`,
    `<td>${owner === null ? 'not known' : `peer ${owner}`}`
  ]
  return `<tr>${cells.join('')}</tr>`
}

function listOf(texts: readonly string[]): string {
  return texts.length === 0 ? 'nothing' : texts.map((text) => escaped(text)).join(' or ')
}

/** Ids and values are what users wrote. */
function escaped(text: string): string {
  return text.replaceAll(/[&<>"']/g, (character) => `&#${character.codePointAt(0)};`)
}
