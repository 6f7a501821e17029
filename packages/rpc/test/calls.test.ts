import {
  FencedError,
  MurmurationError,
  NotOwnerError,
  OverloadedError
} from '@murmuration/interface'
import { describe, expect, it } from 'vitest'
import { fixed } from '../src/defaults.ts'
import { createDuplex, errorOf } from './duplex.ts'

const bytes = (...values: number[]): Uint8Array => Uint8Array.from(values)
const never = (): Promise<Uint8Array> => new Promise(() => {})

describe('a call', () => {
  it('is answered', async () => {
    const duplex = createDuplex()
    duplex.methods.addUnary('double', async (request) => request.map((value) => 2 * value))
    const reply = duplex.calling.call('double', bytes(1, 2), 5_000)
    await duplex.settle()
    expect(await reply).toEqual(bytes(2, 4))
    expect(duplex.calling.inFlight).toBe(0)
    expect(duplex.clock.timers).toBe(0)
  })

  it('sends a method name once per stream', async () => {
    const duplex = createDuplex()
    duplex.methods.addUnary('echo', (request) => request)
    const replies = [1, 2, 3].map((value) => duplex.calling.call('echo', bytes(value), 5_000))
    await duplex.settle()
    expect(await Promise.all(replies)).toEqual([bytes(1), bytes(2), bytes(3)])
    expect(duplex.toServer.map(({ type }) => type)).toEqual([
      'hello',
      'name',
      'request',
      'request',
      'request'
    ])
  })

  it('reaches more methods than names are kept', async () => {
    const duplex = createDuplex()
    const count = 2 * fixed.methodNamesMax + 5
    for (let index = 0; index < count; index++) {
      duplex.methods.addUnary(`m${index}`, () => bytes(index & 255))
    }
    const replies = Array.from({ length: count }, (_, index) =>
      duplex.calling.call(`m${index}`, bytes(), 5_000)
    )
    await duplex.settle()
    expect(await Promise.all(replies)).toEqual(replies.map((_, index) => bytes(index & 255)))
  })

  it('tells the handler who calls and how long it waits', async () => {
    const duplex = createDuplex()
    duplex.methods.addUnary('who', (_, { peer, remainingMs, signal }) =>
      new TextEncoder().encode(`${peer} ${remainingMs} ${signal.aborted}`)
    )
    const reply = duplex.calling.call('who', bytes(), 1_234)
    await duplex.settle()
    expect(new TextDecoder().decode(await reply)).toBe('caller 1234 false')
  })

  it('fails at its deadline with an unknown outcome, and fires the signal at the handler', async () => {
    const duplex = createDuplex()
    let signal: AbortSignal | undefined
    duplex.methods.addUnary('wait', (_, context) => {
      signal = context.signal
      return never()
    })
    const failed = errorOf(duplex.calling.call('wait', bytes(), 100))
    await duplex.settle()
    duplex.clock.advance(99)
    await duplex.settle()
    expect(signal?.aborted).toBe(false)
    duplex.clock.advance(6)
    await duplex.settle()
    expect(await failed).toMatchObject({
      name: 'DeadlineExceededError',
      outcomeUnknown: true,
      peer: 'server'
    })
    expect(signal?.aborted).toBe(true)
    expect(duplex.clock.timers).toBe(0)
  })

  it('that could not be sent by its deadline is taken back: nothing happened', async () => {
    const duplex = createDuplex()
    let ran = 0
    duplex.methods.addUnary('count', () => bytes(++ran))
    const failed = errorOf(duplex.calling.call('count', bytes(), 100))
    duplex.clock.advance(110)
    expect(await failed).toMatchObject({
      name: 'PeerUnavailableError',
      retryable: true,
      outcomeUnknown: false
    })
    const reply = duplex.calling.call('count', bytes(), 100)
    await duplex.settle()
    expect(await reply).toEqual(bytes(1))
  })

  it('is aborted by its signal: before it was sent nothing happened, after it nobody knows', async () => {
    const duplex = createDuplex()
    let signal: AbortSignal | undefined
    duplex.methods.addUnary('wait', (_, context) => {
      signal = context.signal
      return never()
    })
    const aborted = AbortSignal.abort()
    expect(await errorOf(duplex.calling.call('wait', bytes(), 100, aborted))).toMatchObject({
      name: 'AbortedError',
      outcomeUnknown: false
    })
    const early = new AbortController()
    const unsent = errorOf(duplex.calling.call('wait', bytes(), 100, early.signal))
    early.abort(new Error('no need'))
    expect(await unsent).toMatchObject({ name: 'AbortedError', outcomeUnknown: false })
    await duplex.settle()
    expect(signal).toBeUndefined()

    const late = new AbortController()
    const sent = errorOf(duplex.calling.call('wait', bytes(), 100, late.signal))
    await duplex.settle()
    late.abort(new Error('changed my mind'))
    await duplex.settle()
    expect(await sent).toMatchObject({
      name: 'AbortedError',
      outcomeUnknown: true,
      cause: { message: 'changed my mind' }
    })
    expect(signal?.aborted).toBe(true)
    expect(duplex.toServer.at(-1)).toMatchObject({ type: 'cancel' })
  })

  it('drops a reply that comes after the call was cancelled', async () => {
    const duplex = createDuplex()
    const reply = Promise.withResolvers<Uint8Array>()
    duplex.methods.addUnary('slow', () => reply.promise)
    const controller = new AbortController()
    const failed = errorOf(duplex.calling.call('slow', bytes(), 100, controller.signal))
    await duplex.settle()
    controller.abort()
    await duplex.settle()
    reply.resolve(bytes(1))
    await duplex.settle()
    await failed
    expect(duplex.toCaller.map(({ type }) => type)).toEqual(['hello'])
  })

  it('survives an answer that crosses its cancellation', async () => {
    const duplex = createDuplex()
    duplex.methods.addUnary('echo', (request) => request)
    const controller = new AbortController()
    const failed = errorOf(duplex.calling.call('echo', bytes(1), 100, controller.signal))
    duplex.sendRequests()
    controller.abort()
    await duplex.settle()
    expect(await failed).toMatchObject({ name: 'AbortedError' })
    const reply = duplex.calling.call('echo', bytes(2), 100)
    await duplex.settle()
    expect(await reply).toEqual(bytes(2))
  })

  it('fails at the server too when the deadline passes and the caller says nothing', async () => {
    const duplex = createDuplex()
    let signal: AbortSignal | undefined
    duplex.methods.addUnary('wait', (_, context) => {
      signal = context.signal
      return never()
    })
    const failed = errorOf(duplex.calling.call('wait', bytes(), 100))
    duplex.sendRequests()
    duplex.clock.advance(110)
    expect(signal?.aborted).toBe(true)
    await failed
  })

  it('when the stream ends: lost if it was sent, unavailable if not', async () => {
    const duplex = createDuplex()
    let signal: AbortSignal | undefined
    duplex.methods.addUnary('wait', (_, context) => {
      signal = context.signal
      return never()
    })
    const sent = errorOf(duplex.calling.call('wait', bytes(), 100))
    duplex.sendRequests()
    const queued = errorOf(duplex.calling.call('wait', bytes(), 100))
    duplex.calling.close(new Error('reset'))
    duplex.serving.close(new Error('reset'))
    expect(await sent).toMatchObject({ name: 'ConnectionLostError', outcomeUnknown: true })
    expect(await queued).toMatchObject({
      name: 'PeerUnavailableError',
      outcomeUnknown: false,
      retryable: true,
      peer: 'server'
    })
    expect(signal?.aborted).toBe(true)
    expect(await errorOf(duplex.calling.call('wait', bytes(), 100))).toMatchObject({
      name: 'PeerUnavailableError'
    })
    expect(duplex.clock.timers).toBe(0)
  })
})

describe('an error of a handler', () => {
  it('of Murmuration crosses with its name, code, message and facts', async () => {
    const duplex = createDuplex()
    const thrown = [
      new NotOwnerError('ask another'),
      new FencedError('old view'),
      new OverloadedError('mailbox full'),
      new MurmurationError('ClockSkewError', 'too late', {
        code: 'ERR_CLOCK_SKEW',
        outcomeUnknown: true
      })
    ]
    for (const [index, error] of thrown.entries()) {
      duplex.methods.addUnary(`fail${index}`, async () => {
        throw error
      })
      const failed = errorOf(duplex.calling.call(`fail${index}`, bytes(), 100))
      await duplex.settle()
      const { name, code, message, retryable, overloaded, outcomeUnknown } = error
      expect(await failed).toMatchObject({
        name,
        code,
        message,
        retryable,
        overloaded,
        outcomeUnknown,
        peer: 'server'
      })
    }
  })

  it('of any other kind becomes RemoteHandlerError, thrown or rejected', async () => {
    const duplex = createDuplex()
    duplex.methods.addUnary('throws', () => {
      throw new TypeError('no such thing')
    })
    duplex.methods.addUnary('rejects', () => Promise.reject('a text'))
    duplex.methods.addUnary('silent', () => Promise.reject())
    const errors = ['throws', 'rejects', 'silent'].map((method) =>
      errorOf(duplex.calling.call(method, bytes(), 100))
    )
    await duplex.settle()
    const expected = {
      name: 'RemoteHandlerError',
      code: 'ERR_REMOTE_HANDLER',
      outcomeUnknown: true
    }
    expect(await errors[0]).toMatchObject({ ...expected, message: 'TypeError: no such thing' })
    expect(await errors[1]).toMatchObject({ ...expected, message: 'a text' })
    expect(await errors[2]).toMatchObject(expected)
  })

  it('is cut to its limit', async () => {
    const duplex = createDuplex()
    duplex.methods.addUnary('long', () => {
      throw new Error('ü'.repeat(100_000))
    })
    const failed = errorOf(duplex.calling.call('long', bytes(), 100))
    await duplex.settle()
    expect((await failed).message).toHaveLength(fixed.errorMessageMax)
  })

  it('says where it arose if that is a third peer', async () => {
    const duplex = createDuplex()
    duplex.methods.addUnary('relay', () => {
      const error = new NotOwnerError('not here')
      error.peer = 'third'
      throw error
    })
    const failed = errorOf(duplex.calling.call('relay', bytes(), 100))
    await duplex.settle()
    expect(await failed).toMatchObject({ peer: 'third' })
  })

  it('is also a handler that answers with no bytes', async () => {
    const duplex = createDuplex()
    // A handler written without types.
    duplex.methods.addUnary('odd', () => 'text' as unknown as Uint8Array)
    const failed = errorOf(duplex.calling.call('odd', bytes(), 100))
    await duplex.settle()
    expect(await failed).toMatchObject({ name: 'RemoteHandlerError' })
  })

  it('is UnknownMethodError where there is no handler, or one of the other kind', async () => {
    const duplex = createDuplex()
    duplex.methods.addStream('items', async function* () {})
    const errors = ['none', 'items'].map((method) =>
      errorOf(duplex.calling.call(method, bytes(), 100))
    )
    await duplex.settle()
    for (const error of errors) {
      expect(await error).toMatchObject({ name: 'UnknownMethodError', outcomeUnknown: false })
    }
  })
})

describe('overload', () => {
  it('of a method is answered at once', async () => {
    const duplex = createDuplex()
    const release: (() => void)[] = []
    duplex.methods.addUnary(
      'slow',
      () =>
        new Promise((resolve) => {
          release.push(() => resolve(bytes(1)))
        }),
      { concurrencyMax: 2 }
    )
    const calls = [1, 2].map(() => duplex.calling.call('slow', bytes(), 100))
    const refused = errorOf(duplex.calling.call('slow', bytes(), 100))
    await duplex.settle()
    expect(await refused).toMatchObject({
      name: 'OverloadedError',
      overloaded: true,
      retryable: true,
      outcomeUnknown: false
    })
    for (const each of release) each()
    await duplex.settle()
    expect(await Promise.all(calls)).toHaveLength(2)
    const next = duplex.calling.call('slow', bytes(), 100)
    await duplex.settle()
    release.at(-1)?.()
    await duplex.settle()
    expect(await next).toEqual(bytes(1))
  })

  it('by one peer is answered at once, also while cancelled handlers still run', async () => {
    const duplex = createDuplex({}, { requestsPerPeerMax: 3 })
    duplex.methods.addUnary('slow', never)
    const calls = [1, 2, 3].map(() => errorOf(duplex.calling.call('slow', bytes(), 50)))
    await duplex.settle()
    duplex.clock.advance(60)
    await Promise.all(calls)
    const refused = errorOf(duplex.calling.call('slow', bytes(), 50))
    await duplex.settle()
    expect(await refused).toMatchObject({ name: 'OverloadedError' })
  })

  it('of the queue or the number of calls is refused before anything is queued', async () => {
    const duplex = createDuplex({ outgoingBytesMax: 1_000, callsPerPeerMax: 5 })
    const calls = [1, 2].map(() => errorOf(duplex.calling.call('m', new Uint8Array(400), 50)))
    expect(await errorOf(duplex.calling.call('m', new Uint8Array(400), 50))).toMatchObject({
      name: 'OverloadedError',
      peer: 'server'
    })
    const small = [1, 2, 3].map(() => errorOf(duplex.calling.call('m', bytes(), 50)))
    expect(await errorOf(duplex.calling.call('m', bytes(), 50))).toMatchObject({
      name: 'OverloadedError'
    })
    duplex.clock.advance(60)
    await Promise.all([...calls, ...small])
  })

  it('by a caller that does not read its answers is answered, and in the end the stream is reset', async () => {
    const duplex = createDuplex(
      { outgoingBytesMax: 1_000_000 },
      {
        outgoingBytesMax: 1_000,
        replyBytesMax: 2_000
      }
    )
    duplex.methods.addUnary('big', () => new Uint8Array(900))
    const calls = Array.from({ length: 200 }, () =>
      errorOf(duplex.calling.call('big', bytes(), 50))
    )
    duplex.sendRequests()
    expect(duplex.answers.queued).toBeLessThan(5_000)
    expect(duplex.ended()).toMatchObject({ name: 'OverloadedError' })
    duplex.clock.advance(60)
    await Promise.all(calls)
  })

  it('by replies that nobody reads replaces them by an error that hides no effect', async () => {
    const duplex = createDuplex({}, { outgoingBytesMax: 1_000, replyBytesMax: 2_000 })
    const release: (() => void)[] = []
    duplex.methods.addUnary(
      'big',
      () =>
        new Promise((resolve) => {
          release.push(() => resolve(new Uint8Array(900)))
        })
    )
    const calls = [1, 2, 3].map(() => duplex.calling.call('big', bytes(), 50))
    const third = calls.pop() ?? never()
    const failed = errorOf(third)
    duplex.sendRequests()
    for (const each of release) each()
    await duplex.settle()
    expect(await Promise.all(calls)).toHaveLength(2)
    expect(await failed).toMatchObject({ name: 'OverloadedError', outcomeUnknown: true })
  })
})

describe('the size limit', () => {
  it('is kept by the sender, the smaller limit of the two', async () => {
    const duplex = createDuplex({ messageBytesMax: 1_000 }, { messageBytesMax: 500 })
    duplex.methods.addUnary('echo', (request) => request)
    expect(await errorOf(duplex.calling.call('echo', new Uint8Array(1_001), 50))).toMatchObject({
      name: 'MessageTooLargeError',
      outcomeUnknown: false
    })
    const reply = duplex.calling.call('echo', new Uint8Array(500), 50)
    await duplex.settle()
    expect(await reply).toHaveLength(500)
    expect(await errorOf(duplex.calling.call('echo', new Uint8Array(501), 50))).toMatchObject({
      name: 'MessageTooLargeError'
    })
  })

  it('of a reply is told to the caller: the handler has run', async () => {
    const duplex = createDuplex({ messageBytesMax: 500 })
    duplex.methods.addUnary('big', () => new Uint8Array(501))
    const failed = errorOf(duplex.calling.call('big', bytes(), 50))
    await duplex.settle()
    expect(await failed).toMatchObject({ name: 'MessageTooLargeError', outcomeUnknown: true })
  })
})

describe('the protocol', () => {
  it('refuses another version, saying which it speaks', async () => {
    const duplex = createDuplex()
    duplex.serving.receive({ type: 'hello', version: 9, messageBytesMax: 1 })
    expect(duplex.ended()).toMatchObject({ name: 'UnsupportedVersionError' })
    const failed = errorOf(duplex.calling.call('echo', bytes(), 50))
    let refusal = new Error('none')
    try {
      duplex.sendAnswers()
    } catch (error) {
      if (error instanceof Error) refusal = error
    }
    expect(refusal).toMatchObject({ name: 'UnsupportedVersionError' })
    duplex.calling.close(refusal)
    expect(await failed).toMatchObject({ name: 'UnsupportedVersionError', outcomeUnknown: false })
    expect(() =>
      createDuplex().calling.receive({ type: 'hello', version: 2, messageBytesMax: 1 })
    ).toThrow(/version 2/)
  })

  it('refuses frames that are out of place', () => {
    const malformed = expect.objectContaining({ name: 'MalformedMessageError' })
    const { serving } = createDuplex()
    expect(() => serving.receive({ type: 'cancel', id: 1 })).toThrow(malformed)
    serving.receive({ type: 'hello', version: 1, messageBytesMax: 1 })
    const request = { id: 1, remainingMs: 10, method: 0, payload: bytes() }
    expect(() => serving.receive({ type: 'request', ...request })).toThrow(malformed)
    expect(() => serving.receive({ type: 'name', index: 1, name: 'b' })).toThrow(malformed)
    expect(() => serving.receive({ type: 'reply', id: 1, payload: bytes() })).toThrow(malformed)
    expect(() => createDuplex().calling.receive({ type: 'cancel', id: 1 })).toThrow(malformed)
  })

  it('refuses a second request under an id that is in use', () => {
    const { serving, methods } = createDuplex()
    methods.addUnary('slow', never)
    serving.receive({ type: 'hello', version: 1, messageBytesMax: 1 })
    serving.receive({ type: 'name', index: 0, name: 'slow' })
    const request = {
      type: 'request',
      id: 1,
      remainingMs: 10,
      method: 0,
      payload: bytes()
    } as const
    serving.receive(request)
    expect(() => serving.receive(request)).toThrow(/under way/)
  })

  it('ignores answers to calls that it does not know', () => {
    const { calling } = createDuplex()
    calling.receive({ type: 'reply', id: 99, payload: bytes() })
    calling.receive({ type: 'item', id: 99, payload: bytes() })
    calling.receive({ type: 'end', id: 99 })
  })
})

describe('methods', () => {
  it('have one handler, a name of 1 to 256 bytes and a limit above 0', () => {
    const { methods } = createDuplex()
    const invalid = expect.objectContaining({ name: 'InvalidParametersError' })
    methods.addUnary('a', never)
    expect(() => methods.addUnary('a', never)).toThrow(invalid)
    expect(() => methods.addUnary('', never)).toThrow(invalid)
    expect(() => methods.addUnary('x'.repeat(257), never)).toThrow(invalid)
    expect(() => methods.addUnary('b', never, { concurrencyMax: 0 })).toThrow(invalid)
    methods.remove('a')
    methods.addUnary('a', never)
  })
})
