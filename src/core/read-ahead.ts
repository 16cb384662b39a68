/**
 * The same items, of which up to `count` are asked for before the consumer wants them: the source works
 * while the consumer does. The source must be an async generator, or else take several `next` at once.
 */
export async function* readAhead<T>(
  items: AsyncIterable<T>,
  count: number,
): AsyncGenerator<T, void, undefined> {
  const iterator = items[Symbol.asyncIterator]()
  const asked: Promise<IteratorResult<T, unknown>>[] = []
  const ask = () => {
    const next = iterator.next()
    // Awaited below, in its turn; until then a failure must not count as unhandled.
    next.catch(() => {})
    asked.push(next)
  }
  try {
    while (asked.length < count) ask()
    for (;;) {
      const item = await asked.shift()
      if (item === undefined || item.done === true) return
      ask()
      yield item.value
    }
  } finally {
    await iterator.return?.()
  }
}
