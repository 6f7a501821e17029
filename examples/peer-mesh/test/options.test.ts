import { describe, expect, it } from 'vitest'
import { OptionError, parseOptions } from '../src/options.ts'

describe('options of the mesh', () => {
  it('defaults to five peers, live, with a page', () => {
    expect(parseOptions([])).toMatchObject({ peers: 5, feed: undefined, dashboard: 0, faults: [] })
  })

  it('has no page with a feed unless asked', () => {
    expect(parseOptions(['--feed', 'x'])).toMatchObject({ dashboard: undefined })
    expect(parseOptions(['--feed', 'x', '--dashboard', '8080'])).toMatchObject({ dashboard: 8080 })
  })

  it('reads several faults, by time and by share', () => {
    const parsed = parseOptions([
      '--feed',
      'x',
      '--kill',
      '2@3s',
      '--kill',
      '3@50%',
      '--pause',
      '1@500ms+3s',
      '--stop',
      '4@1m'
    ])
    expect(parsed).toMatchObject({
      faults: [
        { kind: 'kill', peer: 2, at: { atMs: 3_000 } },
        { kind: 'kill', peer: 3, at: { share: 0.5 } },
        { kind: 'stop', peer: 4, at: { atMs: 60_000 } },
        { kind: 'pause', peer: 1, at: { atMs: 500 }, forMs: 3_000 }
      ]
    })
  })

  it('reads a split by its sides and times', () => {
    expect(parseOptions(['--split', '1,2|3,4,5@5s-15s'])).toMatchObject({
      faults: [
        {
          kind: 'split',
          sides: [
            [1, 2],
            [3, 4, 5]
          ],
          at: { atMs: 5_000 },
          forMs: 10_000
        }
      ]
    })
  })

  it.each([
    [['--split', '1,2@5s-15s']],
    [['--split', '1|1@5s-15s']],
    [['--split', '1|9@5s-15s']],
    [['--split', '1|2@15s-5s']],
    [['--split', '1|2@5s']],
    [['--peers', '0']],
    [['--peers', '21']],
    [['--peers', 'many']],
    [['--kill', '6@3s']],
    [['--kill', '2']],
    [['--kill', '2@soon']],
    [['--kill', '2@50%']],
    [['--feed', 'x', '--kill', '2@101%']],
    [['--pause', '2@3s']],
    [['--seconds', '-1']],
    [['--dashboard', '99999']],
    [['--nonsense']],
    [['--feed']]
  ])('refuses %j with one sentence', (args) => {
    let message = ''
    try {
      parseOptions(args)
    } catch (error) {
      expect(error).toBeInstanceOf(OptionError)
      message = error instanceof Error ? error.message : ''
    }
    expect(message).toMatch(/^[^\n]+\.$/)
  })
})
