/** What one process start of an author sends on one channel; sequences are counted in it. */
export interface StreamName {
  /** PeerId (text). */
  readonly author: string
  readonly boot: number
  /** A gossip topic, or what stands for it in signals for one peer. */
  readonly channel: string
}

/** A stream as a text, for maps and keys of the store. */
export function streamKey({ author, boot, channel }: StreamName): string {
  return `${author}\n${boot}\n${channel}`
}

/** Reads {@link streamKey}; undefined for other texts. */
export function parseStreamKey(key: string): StreamName | undefined {
  const [author, boot, channel, ...rest] = key.split('\n')
  const number = Number(boot)
  return author === undefined || channel === undefined || rest.length > 0 || !(number >= 0)
    ? undefined
    : { author, boot: number, channel }
}
