import { fileURLToPath } from 'node:url'
import { expect, it } from 'vitest'
import { checkLicences } from '../src/licences.ts'

it('finds only allowed licences on the disk, below every package', () => {
  const { problems, count } = checkLicences(fileURLToPath(new URL('../../..', import.meta.url)))
  expect(problems).toEqual([])
  expect(count, 'our packages and those of libp2p').toBeGreaterThan(50)
})
