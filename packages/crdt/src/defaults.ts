/** Bounds of everything a document or a delta may contain. Bytes beyond them are refused. */
export interface Limits {
  /** Bytes of an encoded document; more is refused by writing, merging and decoding. */
  readonly documentBytesMax: number
  /** Bytes of one delta; an update that would need more is refused before it changes anything. */
  readonly deltaBytesMax: number
  /** Bytes of one value inside a field. */
  readonly valueBytesMax: number
  /** Nesting of arrays and objects in one value. */
  readonly valueDepthMax: number
  /** Bytes of the magnitude of one bigint. */
  readonly bigintBytesMax: number
  /** Fields of a document; each key of a map is one field or more. */
  readonly fieldsMax: number
  /** Segments of a field's path: the name and the keys of nested maps. */
  readonly pathDepthMax: number
  /** UTF-8 bytes of a field name or a map key. */
  readonly nameBytesMax: number
  /** Writers that a document knows. */
  readonly writersMax: number
  /** UTF-8 bytes of a writer's name. */
  readonly writerBytesMax: number
  /** Highest counter of one writer in one document. */
  readonly counterMax: number
  /** Separate runs of updates above a hole, over all writers of a document. */
  readonly holesMax: number
  /** Operations of one execution. */
  readonly operationsMax: number
  /** Steps of a list position; deeper insertions land beside the wanted place. */
  readonly positionDepthMax: number
}

/**
 * The limits in force. They are part of the format: peers with other limits would refuse each
 * other's bytes, so they are constants and not options.
 */
export const limits: Limits = {
  // 8 MiB. Larger state belongs in several agents; a decode of this size takes a few hundred ms.
  documentBytesMax: 8_388_608,
  // 1 MiB. A delta is one message of replication.
  deltaBytesMax: 1_048_576,
  // 256 KiB, as the strong part of an agent.
  valueBytesMax: 262_144,
  // 32 levels, as the message codec allows.
  valueDepthMax: 32,
  // 1,024 bits: wide enough for exact sums of 256-bit amounts.
  bigintBytesMax: 128,
  // 65,536 fields, about 100 bytes of memory each when small.
  fieldsMax: 65_536,
  // One byte of the format holds two depths of 4 bits each.
  pathDepthMax: 8,
  nameBytesMax: 256,
  // Writers are replica boots; 12 bits leave 40 bits of a double for the counter.
  writersMax: 4_096,
  writerBytesMax: 256,
  counterMax: 2 ** 40 - 1,
  holesMax: 16_384,
  operationsMax: 4_096,
  positionDepthMax: 64
}
