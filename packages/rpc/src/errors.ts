import { MurmurationError } from '@murmuration/interface'

/**
 * The other peer speaks no version of the frames that this one speaks. It did nothing; calls to it
 * fail until one of the two is upgraded.
 */
export class UnsupportedVersionError extends MurmurationError {
  constructor(message: string) {
    super('UnsupportedVersionError', message, { code: 'ERR_UNSUPPORTED_VERSION' })
  }
}
