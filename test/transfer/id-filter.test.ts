import { expect, test } from '@jest/globals'

import { IdFilter } from '../../src/transfer/id-filter.js'

const ids = (prefix: string, count: number) => Array.from({ length: count }, (_, at) => `${prefix}-${at}`)

test('never denies an id that was added', () => {
  const filter = new IdFilter(10)
  const added = ids('doc', 20_000)
  for (const id of added) filter.add(id)
  expect(added.filter((id) => !filter.has(id))).toEqual([])
})

test.each([0, 1, 2])('seldom affirms another one, whatever the seed (%i)', (seed) => {
  const filter = new IdFilter(20_000, seed)
  for (const id of ids('doc', 20_000)) filter.add(id)
  const mistakes = ids('other', 20_000).filter((id) => filter.has(id)).length
  expect(mistakes).toBeLessThan(40)
})

test('another seed makes other mistakes', () => {
  const mistaken = [1, 2].map((seed) => {
    const filter = new IdFilter(1, seed)
    for (const id of ids('doc', 150_000)) filter.add(id)
    return ids('other', 5_000).filter((id) => filter.has(id))
  })
  expect(mistaken[0]?.length).toBeGreaterThan(0)
  expect(mistaken[0]).not.toEqual(mistaken[1])
})
