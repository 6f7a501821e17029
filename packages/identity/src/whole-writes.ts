import type { MessageStream } from '@libp2p/interface'
import { gatherBytesMax } from './defaults.ts'

type Data = Parameters<MessageStream['send']>[0]

/**
 * Sends each message as one piece. libp2p hands on lists of parts, a length or a header and then the
 * data, and the socket below would write each part apart: one system call, one packet and one
 * waking of the other side more for each message.
 */
export function sendWhole(connection: MessageStream): MessageStream {
  const send = connection.send.bind(connection)
  connection.send = (data) => send(data instanceof Uint8Array ? data : data.subarray())
  return connection
}

/**
 * Gathers what the muxer sends in one turn of the event loop, after the microtasks of that turn, into
 * one piece, which is encrypted and written once: a frame's header and its data, the frames of
 * several streams, an answer and the muxer's own frame for what it answers.
 *
 * `below` is the connection underneath the encryption. libp2p closes that one by itself, right after
 * the last word of the muxer, which has to be on its way by then: else the end is no end but an error.
 */
export function gatherWrites(connection: MessageStream, below: MessageStream): MessageStream {
  const send = connection.send.bind(connection)
  const close = connection.close.bind(connection)
  let gathered: Data[] = []
  let bytes = 0
  let closing = false
  const flush = (): void => {
    if (bytes === 0) return
    const whole = join(gathered, bytes)
    gathered = []
    bytes = 0
    // Aborted meanwhile: what was not sent is lost with what was under way.
    if (connection.status !== 'open') return
    try {
      send(whole)
    } catch (error) {
      connection.abort(error instanceof Error ? error : new Error(String(error)))
    }
  }
  connection.send = (data) => {
    // Throws as it always does.
    if (closing || connection.status !== 'open') return send(data)
    if (bytes === 0) endOfTurn(flush)
    gathered.push(data)
    bytes += data.byteLength
    if (bytes >= gatherBytesMax) flush()
    return !connection.writableNeedsDrain
  }
  connection.close = async (options) => {
    flush()
    closing = true
    await close(options)
  }
  const closeBelow = below.close.bind(below)
  below.close = async (options) => {
    flush()
    // The encryption takes no longer than this turn.
    await new Promise<void>((resolve) => endOfTurn(resolve))
    await closeBelow(options)
  }
  return connection
}

/** After the microtasks of this turn, and those that they cause. */
function endOfTurn(task: () => void): void {
  const { process } = globalThis
  const isNode = typeof process?.nextTick === 'function'
  queueMicrotask(isNode ? () => process.nextTick(task) : task)
}

function join(parts: readonly Data[], bytes: number): Uint8Array {
  const [first] = parts
  if (parts.length === 1 && first !== undefined) return first.subarray()
  const whole = new Uint8Array(bytes)
  let at = 0
  for (const part of parts) {
    for (const chunk of part instanceof Uint8Array ? [part] : part) {
      whole.set(chunk, at)
      at += chunk.byteLength
    }
  }
  return whole
}
