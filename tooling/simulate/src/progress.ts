const barWidth = 24
const ttyEveryMs = 200
const lineEveryMs = 15_000

export interface Standing {
  readonly done: number
  readonly total: number
  readonly note: string
}

/** A bar where somebody watches; elsewhere a plain line now and then. */
export class Progress {
  readonly #began = performance.now()
  readonly #doneBefore: number
  readonly #isTty = process.stdout.isTTY
  #shownAt: number

  constructor(doneBefore: number) {
    this.#doneBefore = doneBefore
    this.#shownAt = this.#isTty ? 0 : this.#began
  }

  show({ done, total, note }: Standing): void {
    const now = performance.now()
    if (now - this.#shownAt < (this.#isTty ? ttyEveryMs : lineEveryMs)) return
    this.#shownAt = now
    const rate = (done - this.#doneBefore) / Math.max(0.001, (now - this.#began) / 1000)
    const left = rate > 0 ? timeText((total - done) / rate) : '?'
    const figures = `${done}/${total}  ${rate.toFixed(0)}/s  ${left} left  ${note}`
    if (this.#isTty) {
      const filled = Math.round((barWidth * done) / total)
      const bar = '█'.repeat(filled) + '░'.repeat(barWidth - filled)
      process.stdout.write(`\r\u001B[K${bar} ${figures}`)
    } else console.log(figures)
  }

  /** Prints a line that stays. */
  line(text: string): void {
    this.clear()
    console.log(text)
  }

  clear(): void {
    if (this.#isTty) process.stdout.write('\r\u001B[K')
  }
}

function timeText(seconds: number): string {
  if (seconds < 90) return `${Math.ceil(seconds)} s`
  const minutes = Math.ceil(seconds / 60)
  return minutes < 90 ? `${minutes} min` : `${(minutes / 60).toFixed(1)} h`
}
