import { describe, expect, test } from '@jest/globals'

import { newBackupId, parseBackupId } from '../../src/backup/backup-id.js'
import { checkSeries, seriesOfUrl } from '../../src/backup/series.js'

describe('a series', () => {
  test.each([
    ['http://127.0.0.1:8000', '127-0-0-1-8000'],
    ['https://chroma.example.com', 'chroma-example-com'],
    ['https://Chroma.Example.com:443/', 'chroma-example-com'],
    ['http://localhost:8000/chroma/v2/', 'localhost-8000-chroma-v2'],
    ['http://user:secret@[::1]:8000', '1-8000'],
    ['/var/lib/chroma', 'var-lib-chroma'],
    ['???', 'default'],
  ])('of %s is %s', (url, series) => {
    expect(seriesOfUrl(url)).toBe(series)
    expect(() => checkSeries(series)).not.toThrow()
  })

  test('of a long address is cut, and still tells addresses apart', () => {
    const long = `https://${'a'.repeat(50)}.example.com/`
    const [one, two] = [seriesOfUrl(`${long}one`), seriesOfUrl(`${long}two`)]
    expect(one).not.toBe(two)
    for (const series of [one, two]) {
      expect(series.length).toBeLessThanOrEqual(63)
      expect(() => checkSeries(series)).not.toThrow()
    }
  })

  test.each(['', '-a', 'A', 'a_b', 'a/b', 'ä', 'a'.repeat(64)])('%p is a usage error', (series) => {
    expect(() => checkSeries(series)).toThrow(expect.objectContaining({ exitCode: 2 }))
  })
})

describe('the id of a backup', () => {
  test('ids of the same second sort by the millisecond', () => {
    const ids = [0, 1, 31, 32, 500, 999].map((ms) => newBackupId(new Date(Date.UTC(2026, 0, 1) + ms), 'a'))
    expect([...ids].sort()).toEqual(ids)
  })

  test('carries time and series, also of series with dashes', () => {
    const id = newBackupId(new Date('2026-11-20T02:03:04.567Z'), 'a-2-b')
    expect(id).toMatch(/^20261120T020304Z-a-2-b-[0-9a-z]{4}$/)
    expect(parseBackupId(id)).toEqual({ created: new Date('2026-11-20T02:03:04.567Z'), series: 'a-2-b' })
  })

  test('differs from one to the next, also within a millisecond', () => {
    const now = new Date()
    expect(new Set(Array.from({ length: 50 }, () => newBackupId(now, 's'))).size).toBeGreaterThan(35)
  })

  test.each(['', '20261120T020304Z-7f3k', 'x20261120T020304Z-a-7f3k', '20261120T020304Z-A-7f3k'])(
    '%p is not one',
    (text) => {
      expect(parseBackupId(text)).toBeNull()
    },
  )
})
