import { describe, expect, test } from '@jest/globals'

import { checkPattern, jitterOf, nextSlot } from '../../src/schedule/slots.js'

const utc = { pattern: '0 2 * * *', timezone: 'UTC' }
const next = (base: string, now: string, schedule = utc) =>
  nextSlot(schedule, new Date(base), new Date(now)).toISOString()

describe('the next slot', () => {
  test('is the first to come when none was missed', () => {
    expect(next('2026-11-20T02:00:00Z', '2026-11-20T14:00:00Z')).toBe('2026-11-21T02:00:00.000Z')
  })

  test('is the newest of those that were missed', () => {
    expect(next('2026-11-17T02:00:00Z', '2026-11-20T14:00:00Z')).toBe('2026-11-20T02:00:00.000Z')
  })

  test('is the one that has come just now, once', () => {
    expect(next('2026-11-19T02:00:00Z', '2026-11-20T02:00:00Z')).toBe('2026-11-20T02:00:00.000Z')
    expect(next('2026-11-20T02:00:00Z', '2026-11-20T02:00:00Z')).toBe('2026-11-21T02:00:00.000Z')
  })

  test('comes after the base, also when the clock has been set back', () => {
    expect(next('2026-11-20T02:00:00Z', '2026-11-18T14:00:00Z')).toBe('2026-11-21T02:00:00.000Z')
  })

  test('keeps to the time zone, over the change to daylight saving', () => {
    const berlin = { pattern: '30 2 * * *', timezone: 'Europe/Berlin' }
    expect(next('2026-03-28T12:00:00Z', '2026-03-28T12:00:00Z', berlin)).toMatch(/^2026-03-29T01:/)
    expect(next('2026-03-29T12:00:00Z', '2026-03-29T12:00:00Z', berlin)).toBe('2026-03-30T00:30:00.000Z')
    // 2:30 comes twice that night.
    const once = next('2026-10-24T12:00:00Z', '2026-10-24T12:00:00Z', berlin)
    expect(next(once, '2026-10-25T06:00:00Z', berlin)).toBe('2026-10-26T01:30:00.000Z')
  })
})

test.each([
  ['0 2 * *', 'UTC'],
  ['61 2 * * *', 'UTC'],
  ['0 2 30 2 *', 'UTC'],
  ['0 2 * * *', 'Europe/Nowhere'],
])('the schedule "%s" in %s is refused', (pattern, timezone) => {
  expect(() => {
    checkPattern({ pattern, timezone })
  }).toThrow(expect.objectContaining({ code: 'USAGE', message: expect.stringContaining(pattern) }))
})

test('jitter is the same each time, below its bound, and not that of another host', () => {
  const task = { profile: 'prod', kind: 'backup' as const, jitterMs: 600_000 }
  const slot = new Date('2026-11-20T02:00:00Z')
  const hosts = Array.from({ length: 50 }, (_, number) => jitterOf(task, slot, `host-${number}`))
  expect(jitterOf(task, slot, 'host-0')).toBe(hosts[0])
  expect(new Set(hosts).size).toBeGreaterThan(45)
  expect(Math.max(...hosts)).toBeLessThan(600_000)
  expect(jitterOf({ ...task, jitterMs: 0 }, slot, 'host-0')).toBe(0)
})
