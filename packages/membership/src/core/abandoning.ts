import { isAbandoned } from '@murmuration/interface'
import type { Abandonment, ForcedMark, View } from '@murmuration/interface'

/** The view with what an operator gives up: itself, if it has that. */
export function withAbandoned(view: View, abandonment: Abandonment | undefined): View {
  const added = abandonment?.lives.filter((life) => !isAbandoned(view, life)) ?? []
  if (abandonment === undefined || added.length === 0) {
    return view
  }
  const { by = '', reason } = abandonment
  const { number } = view
  const mark: ForcedMark = { view: number + 1, base: number, by, reason, abandoned: added.length }
  const lives = added.map(({ peer, incarnation }) => ({ peer, incarnation }))
  return {
    ...view,
    abandoned: [...(view.abandoned ?? []), ...lives],
    unsafe: [...(view.unsafe ?? []), mark]
  }
}
