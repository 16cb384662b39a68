/** A service may allow no more at once. */
const PAGE = 200

/** Listings that were disturbed so often are asked for in one piece. */
const ATTEMPTS = 5

/**
 * Everything of a listing that is paged by offset. Each page overlaps the one before by one item: if that
 * has moved, something before it was deleted and an item may have been skipped, so the listing starts again.
 *
 * @param get gets a query string, `limit=…&offset=…` or the empty string for all at once
 */
export async function allPages<T>(
  get: (page: string) => Promise<readonly T[]>,
  keyOf: (item: T) => string,
): Promise<T[]> {
  for (let attempt = 1; attempt <= ATTEMPTS; attempt++) {
    const items = await pagesUndisturbed(get, keyOf)
    if (items !== undefined) return items
  }
  return [...(await get(''))]
}

async function pagesUndisturbed<T>(
  get: (page: string) => Promise<readonly T[]>,
  keyOf: (item: T) => string,
): Promise<T[] | undefined> {
  const items = [...(await get(`limit=${PAGE}&offset=0`))]
  for (let full = items.length >= PAGE; full;) {
    const anchor = items.at(-1)
    const page = await get(`limit=${PAGE}&offset=${items.length - 1}`)
    const [first, ...rest] = page
    if (anchor === undefined || first === undefined || keyOf(first) !== keyOf(anchor)) return undefined
    items.push(...rest)
    full = page.length >= PAGE
  }
  return items
}
