import { loadOrCreateKey, peerOf } from '@murmuration/identity'
import { required } from '../arguments.ts'
import type { Arguments } from '../arguments.ts'
import type { Output } from '../output.ts'

/** Makes a root key, or shows the public half of the one that is there. */
export async function root({ values }: Arguments, output: Output): Promise<void> {
  const key = await loadOrCreateKey(required(values.out, 'out'))
  const publicKey = Buffer.from(key.publicKey.raw).toString('hex')
  output.data({ publicKey, name: peerOf(key.publicKey) }, publicKey)
}
