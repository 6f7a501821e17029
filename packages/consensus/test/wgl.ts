/** One operation on a register, as its caller saw it. */
export interface RegisterCall {
  readonly call: number
  /** Infinity where the outcome is unknown: it may take effect at any time after the call. */
  ret: number
  /** The value after it, from the value before it. */
  readonly apply: (value: string) => string
  /** What it found, where it was answered. */
  found?: string
}

/**
 * Whether a history of one register is linearizable (Wing & Gong, Lowe). `undefined`: not decided
 * within the steps, which is a failure to decide and never a pass.
 */
export function isLinearizable(
  calls: readonly RegisterCall[],
  stepsMax = 200_000
): boolean | undefined {
  const events = calls
    .flatMap((one, index) => [
      { at: one.call, isCall: true, index },
      { at: one.ret, isCall: false, index }
    ])
    .toSorted((a, b) => a.at - b.at || Number(b.isCall) - Number(a.isCall))
  const count = events.length
  const next = new Int32Array(count + 2)
  const previous = new Int32Array(count + 2)
  const match = new Int32Array(count + 2)
  const callOf = new Int32Array(calls.length)
  events.forEach(({ index, isCall }, at) => {
    const position = at + 1
    previous[position] = position - 1
    next[position] = position < count ? position + 1 : -1
    if (isCall) {
      callOf[index] = position
    } else {
      match[callOf[index]!] = position
    }
  })
  next[0] = count > 0 ? 1 : -1
  const unlink = (position: number): void => {
    next[previous[position]!] = next[position]!
    if (next[position]! >= 0) previous[next[position]!] = previous[position]!
  }
  const relink = (position: number): void => {
    next[previous[position]!] = position
    if (next[position]! >= 0) previous[next[position]!] = position
  }
  // An unanswered change matters only if somebody saw what it led to, at once or through later ones.
  const observed = new Set([''])
  for (const { found = '' } of calls) {
    for (
      let end = found.length;
      end > 0 && !observed.has(found.slice(0, end));
      end = found.lastIndexOf(',', end - 1)
    ) {
      observed.add(found.slice(0, end))
    }
  }
  const placed = new Uint8Array(calls.length)
  const seen = new Set<string>()
  const stack: { position: number; value: string }[] = []
  let remaining = calls.filter((one) => one.ret !== Infinity).length
  let value = ''
  let position = next[0]!
  for (let steps = 0; remaining > 0; steps++) {
    if (steps > stepsMax) return undefined
    const event = position >= 0 ? events[position - 1] : undefined
    if (event?.isCall === true) {
      const one = calls[event.index]!
      if (one.found === undefined || one.found === value) {
        placed[event.index] = 1
        const after = one.apply(value)
        const key = placed.join('') + after
        if ((one.ret !== Infinity || observed.has(after)) && !seen.has(key)) {
          seen.add(key)
          stack.push({ position, value })
          value = after
          unlink(position)
          unlink(match[position]!)
          if (one.ret !== Infinity) remaining--
          position = next[0]!
          continue
        }
        placed[event.index] = 0
      }
      position = next[position]!
    } else {
      const last = stack.pop()
      if (last === undefined) return false
      const index = events[last.position - 1]!.index
      value = last.value
      placed[index] = 0
      if (calls[index]!.ret !== Infinity) remaining++
      relink(match[last.position]!)
      relink(last.position)
      position = next[last.position]!
    }
  }
  return true
}
