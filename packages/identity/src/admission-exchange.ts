import type { AbortOptions, MessageStream } from '@libp2p/interface'
import { MalformedMessageError, NotAdmittedError } from '@murmuration/interface'
import { lpStream } from '@libp2p/utils'
import type { LengthPrefixedStream } from '@libp2p/utils'
import { decodeFrame, encodeFrame, nonceLength, transcript } from './core/admission-frames.ts'
import type { AdmissionFrame, Introduction, RefusalReason } from './core/admission-frames.ts'
import type { VerifiedCertificate } from './core/certificate.ts'
import { publicKeyOfPeer } from './core/peer-name.ts'
import { bytesToSign } from './core/signed-bytes.ts'
import type { Signer } from './core/signed-bytes.ts'
import type { Credentials } from './credentials.ts'
import { frameBytesMax, readBufferBytesMax, refusalLingerMs } from './defaults.ts'
import { InvalidCertificateError } from './errors.ts'
import type { Verifier } from './signing.ts'

/** What the exchange needs of its peer. */
export interface ExchangeContext {
  readonly credentials: Credentials
  readonly signer: Signer
  readonly verifier: Verifier
  /** Whether this peer can be admitted beside those that are. */
  readonly hasRoomFor: (peer: string) => boolean
}

/** What a finished exchange gives. */
export interface ExchangeResult {
  readonly certificate: VerifiedCertificate
  readonly shown: readonly Uint8Array[]
  readonly connection: MessageStream
}

type Side = 'dialler' | 'listener'

/** Our reason to end an exchange; what of it is told to the other side is `reason` only. */
class Refusal extends NotAdmittedError {
  readonly reason: RefusalReason
  constructor(reason: RefusalReason, message: string, cause?: unknown) {
    super(`not admitted (${reason}): ${message}`, { cause })
    this.reason = reason
  }
}

/**
 * Exchanges and checks certificates over a connection whose far end has proven to be `remotePeer`.
 * Throws `NotAdmittedError`; the connection is then of no further use.
 */
export async function exchange(
  side: Side,
  secured: { readonly connection: MessageStream; readonly remotePeer: string },
  context: ExchangeContext,
  options: AbortOptions
): Promise<ExchangeResult> {
  const frames = lpStream(secured.connection, {
    maxDataLength: frameBytesMax,
    maxBufferSize: readBufferBytesMax,
    lengthDecoder: decodeLength
  })
  try {
    const run = side === 'dialler' ? dial : listen
    const result = await run(frames, secured.remotePeer, context, options)
    return { ...result, connection: frames.unwrap() }
  } catch (error) {
    if (error instanceof Refusal) {
      await tell(frames, error.reason, context)
    }
    throw error
  }
}

/**
 * Of frames of the admission, as varint. A length that does not end is one that is too long: libp2p's
 * own decoder would be tried again at each byte, in one turn of the event loop, as long as there are some.
 */
function decodeLength(bytes: { subarray(): Uint8Array }): number {
  let length = 0
  let place = 1
  for (const byte of bytes.subarray()) {
    length += (byte & 0x7f) * place
    place *= 128
    if (byte < 0x80) return length
    if (place > frameBytesMax) throw new MalformedMessageError('the length of a frame has no end')
  }
  // What libp2p takes as: with one byte more it may be one.
  throw new RangeError('the length of a frame goes on')
}

type Proven = Omit<ExchangeResult, 'connection'>

async function dial(
  frames: LengthPrefixedStream,
  remotePeer: string,
  context: ExchangeContext,
  options: AbortOptions
): Promise<Proven> {
  const own = await introduce(context.credentials)
  await send(frames, { kind: 'hello', ...own }, options)
  const accept = await receive(frames, 'accept', options)
  const certificate = await verifyCertificates(accept, remotePeer, context)
  const said = transcript(
    { ...own, peer: context.signer.peer },
    { nonce: accept.nonce, certificates: accept.certificates, peer: remotePeer }
  )
  await verifyProof('listener', remotePeer, said, accept.signature, context)
  await send(frames, { kind: 'confirm', signature: await prove('dialler', said, context) }, options)
  return { certificate, shown: accept.certificates }
}

async function listen(
  frames: LengthPrefixedStream,
  remotePeer: string,
  context: ExchangeContext,
  options: AbortOptions
): Promise<Proven> {
  const hello = await receive(frames, 'hello', options)
  // Nothing of ours is shown before this has passed.
  const certificate = await verifyCertificates(hello, remotePeer, context)
  const own = await introduce(context.credentials)
  const said = transcript(
    { nonce: hello.nonce, certificates: hello.certificates, peer: remotePeer },
    { ...own, peer: context.signer.peer }
  )
  const signature = await prove('listener', said, context)
  await send(frames, { kind: 'accept', ...own, signature }, options)
  const confirm = await receive(frames, 'confirm', options)
  await verifyProof('dialler', remotePeer, said, confirm.signature, context)
  return { certificate, shown: hello.certificates }
}

async function introduce(credentials: Credentials): Promise<Introduction> {
  return {
    nonce: globalThis.crypto.getRandomValues(new Uint8Array(nonceLength)),
    certificates: await credentials.certificates()
  }
}

async function verifyCertificates(
  shown: Introduction,
  remotePeer: string,
  { credentials, hasRoomFor }: ExchangeContext
): Promise<VerifiedCertificate> {
  if (!hasRoomFor(remotePeer)) {
    throw new Refusal('full', 'too many peers are admitted already')
  }
  try {
    return await credentials.verify(shown.certificates, remotePeer)
  } catch (cause) {
    if (cause instanceof InvalidCertificateError) {
      throw new Refusal(cause.reason, cause.message, cause)
    }
    throw cause
  }
}

/** The signature over the exchange; it names the side, so it cannot be sent back to its maker. */
async function prove(
  side: Side,
  said: Uint8Array,
  { signer }: ExchangeContext
): Promise<Uint8Array> {
  return await signer.sign(bytesToSign('murmuration-admission-1', side, said))
}

async function verifyProof(
  side: Side,
  peer: string,
  said: Uint8Array,
  signature: Uint8Array,
  { verifier }: ExchangeContext
): Promise<void> {
  const publicKey = publicKeyOfPeer(peer)
  const message = bytesToSign('murmuration-admission-1', side, said)
  if (publicKey === undefined || !(await verifier.verify(publicKey, message, signature))) {
    throw new Refusal('bad-proof', 'the other side did not prove who it is')
  }
}

async function send(
  frames: LengthPrefixedStream,
  frame: AdmissionFrame,
  options: AbortOptions
): Promise<void> {
  await frames.write(encodeFrame(frame), options)
}

async function receive<K extends AdmissionFrame['kind']>(
  frames: LengthPrefixedStream,
  kind: K,
  options: AbortOptions
): Promise<Extract<AdmissionFrame, { kind: K }>> {
  const bytes = await readFrame(frames, options)
  let frame: AdmissionFrame
  try {
    frame = decodeFrame(bytes)
  } catch (cause) {
    throw new Refusal('malformed', 'the other side sent something else than an admission', cause)
  }
  if (frame.kind === 'refuse') {
    throw new NotAdmittedError(`not admitted (${frame.reason}): the other side refused this peer`)
  }
  if (!isKind(frame, kind)) {
    throw new Refusal('malformed', `the other side sent ${frame.kind} instead of ${kind}`)
  }
  return frame
}

async function readFrame(frames: LengthPrefixedStream, options: AbortOptions): Promise<Uint8Array> {
  try {
    const bytes = await frames.read(options)
    return bytes.subarray()
  } catch (cause) {
    if (options.signal?.aborted === true) {
      throw cause
    }
    const name = cause instanceof Error ? cause.name : ''
    if (name === 'InvalidDataLengthError' || name === 'InvalidDataLengthLengthError') {
      throw new Refusal('malformed', `a frame over ${frameBytesMax} bytes`, cause)
    }
    throw new NotAdmittedError('not admitted (closed): the other side ended the connection', {
      cause
    })
  }
}

function isKind<K extends AdmissionFrame['kind']>(
  frame: AdmissionFrame,
  kind: K
): frame is Extract<AdmissionFrame, { kind: K }> {
  return frame.kind === kind
}

/** Tells the other side why, and gives it a moment to read it: closing would discard the bytes. */
async function tell(
  frames: LengthPrefixedStream,
  reason: RefusalReason,
  { credentials }: ExchangeContext
): Promise<void> {
  const controller = new AbortController()
  const cancel = credentials.clock.schedule(refusalLingerMs, () => controller.abort())
  const options = { signal: controller.signal }
  try {
    await send(frames, { kind: 'refuse', reason }, options)
    await frames.read(options)
  } catch {
    // It is refused either way; that it hung up, or says nothing more, is what we waited for.
  } finally {
    cancel()
  }
}
