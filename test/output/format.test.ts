import { describe, expect, test } from '@jest/globals'

import {
  byteRate,
  bytes,
  columnName,
  countRate,
  duration,
  grouped,
  harmless,
  instant,
  plural,
  shortBytes,
} from '../../src/output/format.js'

test('a very long name is cut in the middle, so that both ends can be read', () => {
  const usual = `default_tenant/default_database/${'n'.repeat(32)}`
  expect(columnName(usual)).toBe(usual)
  const long = columnName(`tenant/database/first-${'n'.repeat(400)}-last`)
  expect(long).toHaveLength(64)
  expect(long).toMatch(/^tenant\/database\/first-….*-last$/)
  expect(columnName('👍'.repeat(100))).not.toContain('\ufffd')
})

describe('sizes', () => {
  test.each([
    [0, '0 bytes'],
    [1, '1 byte'],
    [1023, '1,023 bytes'],
    [1024, '1.00 KiB (1024 bytes)'],
    [1234567890, '1.15 GiB (1234567890 bytes)'],
    [15 * 1024 ** 2, '15.0 MiB (15728640 bytes)'],
  ])('%d is %s', (count, text) => {
    expect(bytes(count)).toBe(text)
  })

  test('the largest unit goes on', () => {
    expect(shortBytes(5000 * 1024 ** 5)).toBe('5000.0 PiB')
  })
})

describe('durations', () => {
  test.each([
    [0, '0 ms'],
    [840, '840 ms'],
    [3_240, '3.2 s'],
    [59_949, '59.9 s'],
    [59_990, '1 min 0 s'],
    [125_000, '2 min 5 s'],
    [3_840_000, '1 h 4 min'],
    [3_599_900, '1 h 0 min'],
  ])('%d ms is %s', (milliseconds, text) => {
    expect(duration(milliseconds)).toBe(text)
  })
})

test('counts have groups of three digits and a noun in its number', () => {
  expect([grouped(0), grouped(999), grouped(1000), grouped(1234567)]).toEqual([
    '0',
    '999',
    '1,000',
    '1,234,567',
  ])
  expect([plural(1, 'record'), plural(2000, 'record')]).toEqual(['1 record', '2,000 records'])
})

test('a rate without time is no number', () => {
  expect([byteRate(1024, 0), countRate(5, 'records', 0)]).toEqual(['-', '-'])
  expect([byteRate(2048, 2000), countRate(5000, 'records', 2000)]).toEqual(['1.00 KiB/s', '2,500 records/s'])
})

test('an instant is in UTC', () => {
  expect(instant(new Date('2026-11-20T02:00:00.500+01:00'))).toBe('2026-11-20 01:00:00Z')
})

test('control characters from elsewhere cannot act on a terminal; colours stay', () => {
  expect(harmless('a\u001b[2Jb\u0007c\u009bd\re')).toBe('a\\x1b[2Jb\\x07c\\x9bd\\x0de')
  expect(harmless('\u001b[31mred\u001b[39m\n\tx')).toBe('\u001b[31mred\u001b[39m\n\tx')
})
