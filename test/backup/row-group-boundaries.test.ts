import { describe, expect, test } from '@jest/globals'

import { averageRows, RowGroupBoundaries } from '../../src/backup/row-group-boundaries.js'

function groupsOf(ids: readonly string[], dimension: number): string[][] {
  const boundaries = new RowGroupBoundaries(dimension)
  const groups: string[][] = [[]]
  for (const id of ids) {
    groups.at(-1)?.push(id)
    if (boundaries.endsWith(id)) groups.push([])
  }
  return groups.filter((group) => group.length > 0)
}

const uuids = Array.from({ length: 200_000 }, (_, number) => `${(number * 2654435761) >>> 0}-${number}`)

describe('row groups', () => {
  test.each([
    [0, 4096],
    [3, 4096],
    [256, 4096],
    [384, 2730],
    [1536, 682],
    [2_000_000, 1],
  ])('of dimension %d have %d rows on average', (dimension, rows) => {
    expect(averageRows(dimension)).toBe(rows)
  })

  test.each([3, 384, 1536])(
    'of dimension %d have about the average, at least half, at most twice',
    (dimension) => {
      const average = averageRows(dimension)
      const sizes = groupsOf(uuids, dimension).map(({ length }) => length)
      const whole = sizes.slice(0, -1)
      expect(Math.min(...whole)).toBeGreaterThanOrEqual(Math.floor(average / 2))
      expect(Math.max(...whole)).toBeLessThanOrEqual(average * 2)
      const mean = whole.reduce((sum, size) => sum + size, 0) / whole.length
      expect(mean / average).toBeGreaterThan(0.8)
      expect(mean / average).toBeLessThan(1.2)
      expect(Math.max(...whole) * dimension * 4).toBeLessThanOrEqual(8 * 1024 * 1024)
    },
  )

  test('are mostly the same after a record at the front was removed', () => {
    const before = new Set(groupsOf(uuids, 384).map((group) => group.join()))
    const after = groupsOf(uuids.slice(1), 384).map((group) => group.join())
    const same = after.filter((group) => before.has(group)).length
    expect(same / after.length).toBeGreaterThan(0.8)
  })

  test('never exceed the maximum when all ids are the same to the hash', () => {
    const sizes = groupsOf(
      Array.from({ length: 30_000 }, () => 'same'),
      384,
    ).map(({ length }) => length)
    expect(Math.max(...sizes)).toBeLessThanOrEqual(2 * 2730)
  })
})
