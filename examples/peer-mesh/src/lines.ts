import { StringDecoder } from 'node:string_decoder'

/** Longest line, in characters; the rest of a longer one is passed over. */
export const LINE_MAX = 65_536

/**
 * The lines of a stream: only a line feed ends one, with or without a carriage return before it. Inside of JSON
 * texts there may be other characters that some programs take for the end of a line.
 */
export async function* linesOf(chunks: AsyncIterable<Uint8Array | string>): AsyncIterable<string> {
  const decoder = new StringDecoder('utf8')
  let partial = ''
  let first = true
  const finish = (text: string): string => {
    const line = text.endsWith('\r') ? text.slice(0, -1) : text
    const clean = first && line.startsWith('\uFEFF') ? line.slice(1) : line
    first = false
    return clean
  }
  for await (const chunk of chunks) {
    const text = typeof chunk === 'string' ? chunk : decoder.write(Buffer.from(chunk))
    let from = 0
    for (let end = text.indexOf('\n'); end >= 0; end = text.indexOf('\n', from)) {
      yield finish(partial + text.slice(from, end))
      partial = ''
      from = end + 1
    }
    // One character more than allowed is kept, so that the line shows as too long.
    if (partial.length <= LINE_MAX) partial += text.slice(from, from + LINE_MAX + 1)
  }
  partial += decoder.end()
  if (partial !== '') yield finish(partial)
}
