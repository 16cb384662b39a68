import { expect, test } from '@jest/globals'

import { parseRetryAfter } from '../../src/core/retry-after.js'

const now = Date.UTC(2026, 10, 20, 12, 0, 0)
const day = 24 * 60 * 60 * 1000

test.each([
  ['0', 0],
  ['7', 7000],
  [' 120 ', 120_000],
  ['0.25', 250],
  ['999999999', day],
  ['Fri, 20 Nov 2026 12:00:30 GMT', 30_000],
  ['Friday, 20-Nov-26 12:01:00 GMT', 60_000],
  ['Fri Nov 20 12:00:05 2026 GMT', 5000],
  ['Fri, 20 Nov 2026 11:00:00 GMT', 0],
  ['Sat, 20 Nov 2027 12:00:00 GMT', day],
])('%j is %d ms', (value, expected) => {
  expect(parseRetryAfter(value, now)).toBe(expected)
})

test.each([[undefined], [''], ['-5'], ['soon'], ['1e3'], ['2026-11-20'], ['Fri, 99 Nov 2026 12:00:00 GMT']])(
  '%j is nothing',
  (value) => {
    expect(parseRetryAfter(value, now)).toBeUndefined()
  },
)
