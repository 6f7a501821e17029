import { describe, expect, it } from 'vitest'
import { OptionError, parseOptions, USAGE } from '../src/options.ts'

describe('options of chaos', () => {
  it('default to all scenarios on five peers', () => {
    expect(parseOptions([])).toEqual({
      names: [],
      peers: 5,
      updates: 100_000,
      minutes: undefined,
      report: undefined,
      network: 'auto'
    })
  })

  it('name scenarios, and durability among them', () => {
    expect(parseOptions(['durability', '--updates', '500'])).toMatchObject({
      names: ['durability'],
      updates: 500
    })
    expect(parseOptions(['kill', 'bridge', '--peers', '7'])).toMatchObject({
      names: ['kill', 'bridge'],
      peers: 7
    })
    expect(USAGE).toContain('flapping')
  })

  it.each([
    [['nothing']],
    [['--peers', '2']],
    [['--network', 'x']],
    [['--what']],
    [['--minutes', '0']]
  ])('refuse %j', (args) => {
    expect(() => parseOptions(args)).toThrow(OptionError)
  })
})
