import { describe, expect, test } from '@jest/globals'

import { allPages } from '../../src/chroma/pages.js'

/** A listing of numbers by offset; `between` may change it after each page. */
function listing(items: number[], between: (page: number) => void = () => {}) {
  let pages = 0
  const get = async (query: string) => {
    const parameters = new URLSearchParams(query)
    const offset = Number(parameters.get('offset') ?? 0)
    const page = items.slice(offset, offset + Number(parameters.get('limit') ?? Infinity))
    between(++pages)
    return page
  }
  return { get, pages: () => pages }
}

const numbers = (count: number) => Array.from({ length: count }, (_, index) => index)

describe('allPages', () => {
  test.each([0, 1, 199, 200, 201, 399, 400, 1000])('gets all of %d items', async (count) => {
    expect(await allPages(listing(numbers(count)).get, String)).toEqual(numbers(count))
  })

  test('what is there throughout is not skipped when earlier items are deleted meanwhile', async () => {
    const items = numbers(1000)
    const { get } = listing(items, (page) => {
      if (page === 2) items.splice(0, 50)
    })
    expect(await allPages(get, String)).toEqual(numbers(1000).slice(50))
  })

  test('a listing that never comes to rest is asked for in one piece', async () => {
    const items = numbers(1000)
    const { get, pages } = listing(items, () => items.shift())
    const all = await allPages(get, String)
    expect(all).toEqual(numbers(1000).slice(pages() - 1))
  })
})
