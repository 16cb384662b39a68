import { describe, expect, test } from '@jest/globals'

import {
  booleanOf,
  decimalNumber,
  durationOf,
  oneOf,
  serverUrlOf,
  shareOf,
  sizeOf,
  wholeNumber,
} from '../../src/config/values.js'
import { closest, suggestion } from '../../src/core/suggest.js'

test.each([
  ['0', 0],
  ['500ms', 500],
  ['5s', 5000],
  ['2m', 120_000],
  ['1h30m', 5_400_000],
  ['1.5s', 1500],
  ['7d', 604_800_000],
])('the duration %s is %d ms', (text, milliseconds) => {
  expect(durationOf(text)).toBe(milliseconds)
})

test.each(['', '5', 's', '-5s', '5 s', '5sec', 'm5', '1h30'])('"%s" is no duration', (text) => {
  expect(() => durationOf(text)).toThrow(`"${text}" is not a duration`)
})

test.each([
  ['4096', 4096],
  ['1k', 1024],
  ['512KiB', 524_288],
  ['64MB', 64_000_000],
  ['1.5GiB', 1_610_612_736],
  ['2 MiB', 2_097_152],
  ['10B', 10],
])('the size %s is %d bytes', (text, bytes) => {
  expect(sizeOf(text)).toBe(bytes)
})

test.each(['', 'x', '5iB', '-1', '1KiBs'])('"%s" is no size', (text) => {
  expect(() => sizeOf(text)).toThrow('is not a size')
})

test('shares are above 0 and up to 1', () => {
  expect([shareOf('5%'), shareOf('0.05'), shareOf('100%')]).toEqual([0.05, 0.05, 1])
  for (const text of ['0', '0%', '101%', '1.5', '5', 'x', '-1%'])
    expect(() => shareOf(text)).toThrow('is not a share')
})

describe('numbers', () => {
  test('whole ones have bounds', () => {
    expect(wholeNumber(1, 5)('5')).toBe(5)
    for (const text of ['0', '6', '1.5', '1e1', '', 'x']) {
      expect(() => wholeNumber(1, 5)(text)).toThrow('is not a whole number from 1 to 5')
    }
  })

  test('decimal ones have a least value', () => {
    expect(decimalNumber(1)('1.5')).toBe(1.5)
    expect(() => decimalNumber(1)('0.5')).toThrow('at least 1')
  })
})

test('truth has a few spellings', () => {
  expect([booleanOf('TRUE'), booleanOf('1'), booleanOf('off')]).toEqual([true, true, false])
  expect(() => booleanOf('maybe')).toThrow('neither true nor false')
})

test('a choice that is none is told with the one that was perhaps meant', () => {
  expect(() => oneOf('text', 'json')('jsno')).toThrow(expect.objectContaining({ hint: 'did you mean json?' }))
})

describe('the URL of a server', () => {
  test('keeps its prefix and loses slashes at its end', () => {
    expect(serverUrlOf('https://host:8443/chroma/v2//')).toBe('https://host:8443/chroma/v2')
  })

  test.each(['host:8000', 'ftp://host', '', 'http://', '127.0.0.1:8000'])('"%s" is none', (text) => {
    expect(() => serverUrlOf(text)).toThrow('is not the URL of a server')
  })

  test('a missing scheme is guessed', () => {
    expect(() => serverUrlOf('localhost:8000')).toThrow(
      expect.objectContaining({ hint: 'did you mean http://localhost:8000?' }),
    )
  })

  test('a query has no place in it', () => {
    expect(() => serverUrlOf('http://host?x=1')).toThrow('query')
  })
})

test('the closest word is found across swaps, omissions and additions, and nothing far off is', () => {
  const words = ['list', 'show', 'verify', 'drill']
  expect(['lst', 'lsit', 'shwo', 'verfy', 'dril', 'x'].map((word) => closest(word, words))).toEqual([
    'list',
    'list',
    'show',
    'verify',
    'drill',
    undefined,
  ])
  expect(suggestion('zzz', words)).toBe('choose from: list, show, verify, drill')
})
