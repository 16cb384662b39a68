import { describe, expect, test } from '@jest/globals'

import { AbortedError } from '../../src/core/errors.js'
import { ByteRate } from '../../src/storage/byte-rate.js'

describe('ByteRate', () => {
  test('what is spent is paid off at the rate, whoever spends', () => {
    let now = 0
    const rate = new ByteRate(1000, () => now)
    expect(rate.charge(500)).toBe(0)
    expect(rate.charge(1000)).toBe(500)
    expect(rate.charge(100)).toBe(1500)
    now = 1600
    expect(rate.charge(1)).toBeCloseTo(0)
  })

  test('time that nobody used is not saved up', () => {
    let now = 0
    const rate = new ByteRate(1000, () => now)
    now = 60_000
    expect(rate.charge(1000)).toBe(0)
    expect(rate.charge(1000)).toBe(1000)
  })

  test('a signal ends the wait, and what then did not happen is not charged', async () => {
    const rate = new ByteRate(1, () => 0)
    await rate.spend(1000)
    const stop = new AbortController()
    const waiting = rate.spend(5000, stop.signal)
    stop.abort('enough')
    await expect(waiting).rejects.toThrow(AbortedError)
    expect(rate.charge(1)).toBe(1_000_000)
  })

  test.each([0, -1, Number.NaN])('%d is no rate', (bytes) => {
    expect(() => new ByteRate(bytes)).toThrow(RangeError)
  })
})
