import { describe, expect, test } from '@jest/globals'

import {
  parseCollectionPattern,
  selectCollections,
  unmatchedPatterns,
} from '../../src/core/collection-pattern.js'

const names = [
  { tenant: 't1', database: 'd1', name: 'docs' },
  { tenant: 't1', database: 'd2', name: 'docs' },
  { tenant: 't2', database: 'd1', name: 'docs.old' },
  { tenant: 't2', database: 'd1', name: 'images' },
]

function select(include: readonly string[], exclude: readonly string[] = []): string[] {
  const selection = {
    include: include.map(parseCollectionPattern),
    exclude: exclude.map(parseCollectionPattern),
  }
  return selectCollections(names, selection).map(
    ({ tenant, database, name }) => `${tenant}/${database}/${name}`,
  )
}

describe('a collection pattern', () => {
  test.each([
    [['docs'], ['t1/d1/docs', 't1/d2/docs']],
    [['d1/docs'], ['t1/d1/docs']],
    [['t2/d1/*'], ['t2/d1/docs.old', 't2/d1/images']],
    [['*/d2/*'], ['t1/d2/docs']],
    [['doc?'], ['t1/d1/docs', 't1/d2/docs']],
    [['docs*'], ['t1/d1/docs', 't1/d2/docs', 't2/d1/docs.old']],
    [['docs.*'], ['t2/d1/docs.old']],
    [
      ['images', 'd2/docs'],
      ['t1/d2/docs', 't2/d1/images'],
    ],
    [['DOCS'], []],
    [['[d]ocs'], []],
  ])('%p means %p', (include, expected) => {
    expect(select(include)).toEqual(expected)
  })

  test('none means all, and exclusion wins', () => {
    expect(select([])).toHaveLength(4)
    expect(select([], ['docs*'])).toEqual(['t2/d1/images'])
    expect(select(['docs'], ['d1/*'])).toEqual(['t1/d2/docs'])
  })

  test('those that match nothing are told', () => {
    const patterns = ['docs', 'nope', 'x*'].map(parseCollectionPattern)
    expect(unmatchedPatterns(patterns, names).map(({ text }) => text)).toEqual(['nope', 'x*'])
    expect(patterns.map(({ literal }) => literal)).toEqual([true, true, false])
  })

  test.each(['', '/docs', 'docs/', 'a//b', 'a/b/c/d'])('%p is a usage error', (text) => {
    expect(() => parseCollectionPattern(text)).toThrow(expect.objectContaining({ exitCode: 2 }))
  })
})
