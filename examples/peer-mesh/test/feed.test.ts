import { describe, expect, it } from 'vitest'
import { isBad, parseLine } from '../src/feed.ts'

const reading = (text: string): unknown => parseLine(text, 7)
const reason = (text: string): string => {
  const result = parseLine(text, 7)
  return result !== undefined && isBad(result) ? result.reason : 'good'
}

describe('lines of a feed', () => {
  it('keeps the value as written and the time in nanoseconds', () => {
    expect(
      reading(
        '{"device":"d1","metric":"temp","value":12.30,"time":"2026-01-01T00:00:00.123456789Z"}'
      )
    ).toEqual({
      line: 7,
      device: 'd1',
      metric: 'temp',
      value: 12_300_000_000_000_000_000n,
      time: 1_767_225_600_123_456_789n
    })
  })

  it('takes times as milliseconds, as dates and with zones', () => {
    const time = (text: string): unknown => {
      const result = parseLine(`{"device":"d","metric":"m","value":1,"time":${text}}`, 1)
      return result !== undefined && !isBad(result) ? result.time : result
    }
    expect(time('1767225600000')).toBe(1_767_225_600_000_000_000n)
    expect(time('"2026-01-01"')).toBe(1_767_225_600_000_000_000n)
    expect(time('"2026-01-01T01:00:00+01:00"')).toBe(1_767_225_600_000_000_000n)
    expect(time('"2026-01-01T00:00:00"')).toBe(1_767_225_600_000_000_000n)
    expect(time('1767225600000.5')).toBe(1_767_225_600_000_500_000n)
  })

  it('passes over blank lines', () => {
    expect(parseLine('  ', 1)).toBeUndefined()
  })

  it.each([
    ['{"device":"d1"', 'not JSON'],
    ['[1]', 'not a JSON object'],
    ['{"metric":"m","value":1,"time":1}', 'device is not a text'],
    ['{"device":"a/b","metric":"m","value":1,"time":1}', 'device must be'],
    ['{"device":"lone\\ud800","metric":"m","value":1,"time":1}', 'device must be'],
    [`{"device":"${'😀'.repeat(65)}","metric":"m","value":1,"time":1}`, 'device must be'],
    ['{"device":"","metric":"m","value":1,"time":1}', 'device must be'],
    ['{"device":"d","metric":3,"value":1,"time":1}', 'metric must be'],
    ['{"device":"d","metric":"m","value":"1","time":1}', 'value is not a number'],
    ['{"device":"d","metric":"m","value":1e400,"time":1}', 'too long'],
    ['{"device":"d","metric":"m","value":1,"time":"yesterday"}', 'time is neither'],
    ['{"device":"d","metric":"m","value":1}', 'time is neither'],
    ['null', 'not a JSON object'],
    [`{"device":"${'d'.repeat(70_000)}"}`, 'longer than']
  ])('says what is wrong with %s', (text, expected) => {
    expect(reason(text)).toContain(expected)
  })

  it('does not let a line name a field of objects', () => {
    expect(reason('{"device":"__proto__","metric":"m","value":1,"time":1}')).toBe('good')
    expect(reason('{"__proto__":{"device":"d"},"metric":"m","value":1,"time":1}')).toContain(
      'device'
    )
  })
})
