import { InvalidParametersError } from '@murmuration/interface'
import type { RpcHandler, RpcHandlerOptions, RpcStreamHandler } from '@murmuration/interface'
import { fixed } from '../defaults.ts'

/** A method that this peer answers, and how often it runs right now. */
export type Method = {
  readonly name: string
  readonly concurrencyMax: number
  readonly urgent: boolean
  running: number
} & (
  | { readonly kind: 'unary'; readonly handler: RpcHandler }
  | { readonly kind: 'stream'; readonly handler: RpcStreamHandler }
)

/** @throws InvalidParametersError unless `name` can be a method name. */
export function checkMethodName(name: string): void {
  const bytes = typeof name === 'string' ? new TextEncoder().encode(name).length : 0
  if (bytes > 0 && bytes <= fixed.methodNameBytesMax) return
  throw new InvalidParametersError(
    `A method name must have 1 to ${fixed.methodNameBytesMax} bytes, got ${bytes}`
  )
}

/** The methods that this peer answers. */
export class Methods {
  readonly #methods = new Map<string, Method>()
  readonly #concurrencyMax: number

  constructor(concurrencyMax: number) {
    this.#concurrencyMax = concurrencyMax
  }

  get(name: string): Method | undefined {
    return this.#methods.get(name)
  }

  addUnary(name: string, handler: RpcHandler, options: RpcHandlerOptions = {}): void {
    const concurrencyMax = this.#check(name, handler, options)
    const { urgent = false } = options
    this.#methods.set(name, { name, concurrencyMax, urgent, running: 0, kind: 'unary', handler })
  }

  addStream(name: string, handler: RpcStreamHandler, options: RpcHandlerOptions = {}): void {
    const concurrencyMax = this.#check(name, handler, options)
    const { urgent = false } = options
    this.#methods.set(name, { name, concurrencyMax, urgent, running: 0, kind: 'stream', handler })
  }

  /** Requests that are under way run on. */
  remove(name: string): void {
    this.#methods.delete(name)
  }

  #check(name: string, handler: unknown, options: RpcHandlerOptions): number {
    checkMethodName(name)
    if (typeof handler !== 'function') {
      throw new InvalidParametersError(`The handler of ${name} must be a function`)
    }
    if (this.#methods.has(name)) {
      throw new InvalidParametersError(`The method ${name} has a handler already`)
    }
    const concurrencyMax = options.concurrencyMax ?? this.#concurrencyMax
    if (!Number.isSafeInteger(concurrencyMax) || concurrencyMax < 1) {
      throw new InvalidParametersError(
        `concurrencyMax of ${name} must be a whole number above 0, got ${concurrencyMax}`
      )
    }
    return concurrencyMax
  }
}
