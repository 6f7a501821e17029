import { bucketDocuments, bucketsMax, listedMax } from '../defaults.ts'
import { combine, digestText, emptyDigest } from './digest.ts'
import type { Digest } from './digest.ts'

interface Named {
  readonly id: string
}

/** Documents of whole buckets that are listed together. */
export interface Page<T> {
  readonly buckets: readonly number[]
  readonly documents: readonly T[]
}

/** A power of two, so that few documents are listed for one that differs. */
export function bucketCount(documents: number): number {
  const wanted = Math.max(16, documents / bucketDocuments)
  return Math.min(bucketsMax, 2 ** Math.ceil(Math.log2(wanted)))
}

export function bucketOf(id: string, count: number): number {
  return digestText(id).low % count
}

/** One digest for each bucket of documents. */
export function digestsOf<T extends Named>(
  documents: readonly T[],
  { count, stateOf }: { readonly count: number; readonly stateOf: (document: T) => string }
): Digest[] {
  const digests = Array.from({ length: count }, () => emptyDigest)
  for (const document of documents) {
    const at = bucketOf(document.id, count)
    const digest = digestText(document.id + ' ' + stateOf(document))
    digests[at] = combine(digests[at] ?? emptyDigest, digest)
  }
  return digests
}

/** The documents of one bucket must be complete to be of use, however many. */
export function* pagesOf<T extends Named>(
  byBucket: ReadonlyMap<number, readonly T[]>
): Generator<Page<T>> {
  let buckets: number[] = []
  let documents: T[] = []
  for (const [bucket, inBucket] of byBucket) {
    if (documents.length > 0 && documents.length + inBucket.length > listedMax) {
      yield { buckets, documents }
      buckets = []
      documents = []
    }
    buckets.push(bucket)
    documents.push(...inBucket)
  }
  if (buckets.length > 0) {
    yield { buckets, documents }
  }
}
