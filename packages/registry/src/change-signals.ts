import type {
  Clock,
  LogSink,
  MergedSide,
  RegistryChange,
  Signals,
  Subscription
} from '@murmuration/interface'
import { list } from '@murmuration/codec'
import { mergedSideShape } from './core/shapes.ts'
import { defaults } from './defaults.ts'

/** Signals of this type carry changes to the watchers of other peers. */
const CHANGE_TYPE = 'murmuration.registry.change'

export interface ChangeSignalsComponents {
  readonly peer: string
  readonly clock: Clock
  readonly signals: Signals | undefined
  readonly log: LogSink | undefined
}

/** Tells other peers of changes here, many in one signal, and hears of theirs. */
export class ChangeSignals {
  readonly #components: ChangeSignalsComponents
  readonly #heard: (change: RegistryChange) => void
  #waiting: RegistryChange[] = []
  #cancel: (() => void) | undefined
  #subscription: Subscription | undefined

  constructor(components: ChangeSignalsComponents, heard: (change: RegistryChange) => void) {
    this.#components = components
    this.#heard = heard
  }

  start(): void {
    const { signals, peer } = this.#components
    this.#subscription = signals?.subscribe(CHANGE_TYPE, ({ data }, { author }) => {
      if (author === peer || !Array.isArray(data)) return
      for (const item of data.slice(0, defaults.changesPerSignal)) {
        const change = readChange(item)
        if (change !== undefined) this.#heard(change)
      }
    })
  }

  stop(): void {
    this.#cancel?.()
    this.#cancel = undefined
    this.#subscription?.close()
  }

  /** A claim costs less than the signal that tells of it, so changes of one moment go together. */
  tell(change: RegistryChange): void {
    const { signals, clock } = this.#components
    if (signals === undefined) return
    this.#waiting.push(change)
    const merges = this.#waiting.filter(({ type }) => type === 'merged').length
    const isFull = this.#waiting.length >= defaults.changesPerSignal
    if (isFull || merges >= defaults.mergesPerSignal) this.#flush()
    else this.#cancel ??= clock.schedule(defaults.changesDelayMs, () => this.#flush())
  }

  #flush(): void {
    this.#cancel?.()
    this.#cancel = undefined
    const { signals, log } = this.#components
    const data = this.#waiting
    this.#waiting = []
    const sent = signals?.publish({ type: CHANGE_TYPE, data })
    // Watchers elsewhere are a courtesy: a lost change costs them a fresh `find`, never correctness.
    sent?.catch((error: unknown) => log?.(`changes were not announced: ${String(error)}`))
  }
}

/** A change as it came; undefined for anything else. */
function readChange(data: unknown): RegistryChange | undefined {
  if (typeof data !== 'object' || data === null) return undefined
  const { type, id, peer, reason, sides } = data as Record<string, unknown> // checked field by field below
  if (typeof id !== 'string' || typeof peer !== 'string' || typeof reason !== 'string') {
    return undefined
  }
  if (type === 'merged') {
    const [here, there] = sidesIn(sides)
    return here === undefined || there === undefined
      ? undefined
      : { type, id, peer, reason, sides: [here, there] }
  }
  if (type !== 'registered' && type !== 'unregistered' && type !== 'conflicted') return undefined
  return { type, id, peer, reason }
}

const bothSides = list(mergedSideShape, { max: 2 })

function sidesIn(data: unknown): readonly MergedSide[] {
  try {
    return bothSides.read(data)
  } catch {
    // Written by a later version, or by nobody who should: such a change is not told.
    return []
  }
}
