import type { Clock, Random } from '@murmuration/interface'

/** A UUID of version 7 (RFC 9562): 48 bits of time in milliseconds, the rest by chance. */
export function signalId(clock: Pick<Clock, 'now'>, random: Random): string {
  const bytes = Uint8Array.from(random.bytes(16))
  const view = new DataView(bytes.buffer)
  const now = Math.trunc(clock.now())
  view.setUint16(0, Math.floor(now / 2 ** 32))
  view.setUint32(2, now % 2 ** 32)
  view.setUint8(6, 0x70 | (view.getUint8(6) & 0x0f))
  view.setUint8(8, 0x80 | (view.getUint8(8) & 0x3f))
  const hex = Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('')
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})/, '$1-$2-$3-$4-')
}
