import { bytes, list, message, text } from '@murmuration/codec'
import { certificateBytesMax, certificatesMax } from './defaults.ts'

/** RPC methods: showing newer certificates, having one renewed, redeeming an invitation. */
export const certificateMethods = {
  show: 'identity.show',
  renew: 'identity.renew',
  redeem: 'identity.redeem'
} as const

const certificateBytes = bytes({ max: certificateBytesMax })
export const Shown = message({ certificates: list(certificateBytes, { max: certificatesMax }) })
export const Empty = message({})
export const Issued = message({ certificate: certificateBytes })
export const Redeem = message({
  grant: bytes({ max: 1_024 }),
  peer: text({ max: 64 }),
  signature: bytes({ max: 64 })
})
