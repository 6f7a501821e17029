import { createRandom } from '../random.ts'
import type { Operation } from './history.ts'
import type { Model } from './models.ts'

/** A set of placed operations and the state that they lead to: never tried twice. */
interface Visited {
  /** Where the set is in the store of sets: one large array is much cheaper than many small ones. */
  readonly at: number
  readonly state: string
}

const storeWordsFirst = 4096

interface Placement<S> {
  readonly event: number
  readonly before: S
}

/**
 * The search for an order. Events (beginnings and ends) form a doubly linked list in real time; the
 * head of the list is where the order goes on. Placing an operation lifts both of its events out.
 * Every end that is reached at the head without its operation placed asks for a step back.
 */
export class Search<S, I, O> {
  steps = 0
  readonly #operations: readonly Operation<I, O>[]
  readonly #model: Model<S, I, O>
  /** Operation of each event; event 0 is the head of the list. */
  readonly #operationOf: Int32Array
  /** The end of each beginning; 0 for an end. An operation of unknown outcome has no end. */
  readonly #endOf: Int32Array
  readonly #next: Int32Array
  readonly #previous: Int32Array
  readonly #placed: Uint32Array
  /** Random words, one for each operation: the words of the placed ones, combined, are a hash. */
  readonly #words: Int32Array
  readonly #visited = new Map<number, Visited[]>()
  #store = new Uint32Array(storeWordsFirst)
  #storedWords = 0
  #hash = 0
  #open: number

  constructor(operations: readonly Operation<I, O>[], model: Model<S, I, O>) {
    this.#operations = operations
    this.#model = model
    const events = operations.flatMap(({ invokedAt, returnedAt }, at) => {
      const begin = { time: invokedAt, at, isEnd: false }
      return returnedAt === Infinity ? [begin] : [begin, { time: returnedAt, at, isEnd: true }]
    })
    events.sort((a, b) => a.time - b.time || Number(a.isEnd) - Number(b.isEnd))
    const count = events.length
    this.#operationOf = new Int32Array(count + 1)
    this.#endOf = new Int32Array(count + 1)
    this.#next = new Int32Array(count + 1)
    this.#previous = new Int32Array(count + 1)
    this.#placed = new Uint32Array((operations.length + 31) >>> 5)
    const random = createRandom(operations.length, 'words of a search')
    this.#words = Int32Array.from(operations, () => random.next() * 0x1_0000_0000)
    this.#open = operations.filter(({ returnedAt }) => returnedAt !== Infinity).length
    const beginOf = new Int32Array(operations.length)
    for (const [index, { at, isEnd }] of events.entries()) {
      const event = index + 1
      this.#operationOf[event] = at
      this.#previous[event] = event - 1
      this.#next[event - 1] = event
      if (isEnd) {
        this.#endOf[beginOf[at] ?? 0] = event
      } else {
        beginOf[at] = event
      }
    }
  }

  run(stepsMax: number): 'linearizable' | 'violation' | 'undecided' {
    const trail: Placement<S>[] = []
    let state = this.#model.initial
    let event = this.#after(0)
    while (this.#open > 0) {
      if (++this.steps > stepsMax) {
        return 'undecided'
      }
      if (event !== 0 && this.#isBegin(event)) {
        const next = this.#tried(event, state)
        if (next !== undefined) {
          trail.push({ event, before: state })
          state = next.state
          this.#lift(event)
          event = this.#after(0)
        } else {
          event = this.#after(event)
        }
        continue
      }
      // The end of an operation that is not placed, or of the list: the last choice was wrong.
      const last = trail.pop()
      if (last === undefined) {
        return 'violation'
      }
      state = last.before
      this.#unlift(last.event)
      event = this.#after(last.event)
    }
    return 'linearizable'
  }

  /** The state after this operation, if it may come next and that was not tried before. */
  #tried(event: number, state: S): { readonly state: S } | undefined {
    const at = this.#operationOf[event] ?? 0
    const operation = this.#operations[at]
    if (operation === undefined) {
      return undefined
    }
    const { input, outcome } = operation
    const output = outcome.status === 'ok' ? outcome.output : undefined
    const next = this.#model.step(state, input, output)
    if (next === undefined) {
      return undefined
    }
    this.#toggle(at)
    if (this.#isNew(this.#model.keyOf(next.state))) {
      return next
    }
    this.#toggle(at)
    return undefined
  }

  #isNew(state: string): boolean {
    const same = this.#visited.get(this.#hash)
    if (same === undefined) {
      this.#visited.set(this.#hash, [{ at: this.#stored(), state }])
      return true
    }
    const isKnown = same.some((one) => one.state === state && this.#isPlacedAt(one.at))
    if (!isKnown) {
      same.push({ at: this.#stored(), state })
    }
    return !isKnown
  }

  #stored(): number {
    const at = this.#storedWords
    this.#storedWords += this.#placed.length
    if (this.#storedWords > this.#store.length) {
      const larger = new Uint32Array(2 * this.#storedWords)
      larger.set(this.#store)
      this.#store = larger
    }
    this.#store.set(this.#placed, at)
    return at
  }

  #isPlacedAt(at: number): boolean {
    const placed = this.#placed
    for (let word = 0; word < placed.length; word++) {
      if (placed[word] !== this.#store[at + word]) {
        return false
      }
    }
    return true
  }

  #toggle(at: number): void {
    this.#placed[at >>> 5] = (this.#placed[at >>> 5] ?? 0) ^ (1 << (at & 31))
    this.#hash ^= this.#words[at] ?? 0
  }

  #lift(begin: number): void {
    this.#remove(begin)
    const end = this.#endOf[begin] ?? 0
    if (end !== 0) {
      this.#remove(end)
      this.#open--
    }
  }

  #unlift(begin: number): void {
    const end = this.#endOf[begin] ?? 0
    if (end !== 0) {
      this.#restore(end)
      this.#open++
    }
    this.#restore(begin)
    this.#toggle(this.#operationOf[begin] ?? 0)
  }

  #remove(event: number): void {
    const before = this.#previous[event] ?? 0
    const after = this.#after(event)
    this.#next[before] = after
    if (after !== 0) {
      this.#previous[after] = before
    }
  }

  #restore(event: number): void {
    this.#next[this.#previous[event] ?? 0] = event
    const after = this.#after(event)
    if (after !== 0) {
      this.#previous[after] = event
    }
  }

  /** The next event of the list; 0 at its end. */
  #after(event: number): number {
    return this.#next[event] ?? 0
  }

  #isBegin(event: number): boolean {
    const operation = this.#operations[this.#operationOf[event] ?? 0]
    return this.#endOf[event] !== 0 || operation?.returnedAt === Infinity
  }
}
