export type Defer = (task: () => void) => void
const m = process.env.RPC_DEFER ?? 'tick'
export const endOfTurn: Defer = m === 'micro' ? (t) => queueMicrotask(t) : m === 'immediate' ? (t) => { setImmediate(t) } : m === 'sync' ? (t) => t() : (t) => process.nextTick(t)
