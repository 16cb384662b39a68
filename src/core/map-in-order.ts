import { anySignal } from './abort.js'
import { throwIfAborted } from './errors.js'

/**
 * Applies `work` to every item, at most `limit` at a time, and yields the results in the order of the items.
 * Items are read no further ahead than that. When the consumer stops, the signal fires or one piece of work
 * fails, the signal that the others were given fires, and they have ended before the generator has.
 */
export async function* mapInOrder<T, R>(
  items: AsyncIterable<T>,
  limit: number,
  work: (item: T, signal: AbortSignal) => Promise<R>,
  signal?: AbortSignal,
): AsyncGenerator<R, void, undefined> {
  const stop = new AbortController()
  const workSignal = anySignal(signal, stop.signal) ?? stop.signal
  const iterator = items[Symbol.asyncIterator]()
  const running: Promise<R>[] = []
  const source = { ended: false }
  const start = async () => {
    while (!source.ended && running.length < limit) {
      throwIfAborted(signal)
      const next = await iterator.next()
      if (next.done === true) {
        source.ended = true
      } else {
        const result = work(next.value, workSignal)
        // Awaited below, in its turn; until then a failure must not count as unhandled.
        result.catch(() => {})
        running.push(result)
      }
    }
  }
  try {
    for (;;) {
      await start()
      const first = running.shift()
      if (first === undefined) return
      const result = await first
      // The next begins while the consumer is busy with this one.
      await start()
      yield result
    }
  } finally {
    stop.abort()
    await Promise.allSettled(running)
    if (!source.ended) await iterator.return?.()
  }
}
