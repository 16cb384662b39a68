import { setTimeout as pause } from 'node:timers/promises'

import { describe, expect, test } from '@jest/globals'

import { mapInOrder } from '../../src/core/map-in-order.js'
import { readAhead } from '../../src/core/read-ahead.js'

describe('mapInOrder', () => {
  test('keeps the order, and at most so many at a time', async () => {
    let [running, most] = [0, 0]
    const results = await collect(
      mapInOrder(numbers(20), 3, async (n) => {
        most = Math.max(most, ++running)
        await pause(n % 3)
        running--
        return n * 2
      }),
    )
    expect(results).toEqual(Array.from({ length: 20 }, (_, n) => n * 2))
    expect(most).toBe(3)
  })

  test('the next begins while the consumer is busy', async () => {
    const begun: number[] = []
    const results = mapInOrder(numbers(20), 3, async (n) => begun.push(n))
    await results.next()
    expect(begun).toEqual([0, 1, 2, 3])
    await results.return()
  })

  test('a failure stops the others, which have ended before it is told, and the source', async () => {
    const source = { ended: false }
    let settled = 0
    const work = async (n: number, signal: AbortSignal) => {
      if (n === 1) throw new Error('one failed')
      await pause(10_000, undefined, { signal }).catch(() => settled++)
      return n
    }
    const all = collect(
      mapInOrder(numbers(100, source), 4, async (n, signal) => (n === 0 ? n : work(n, signal))),
    )
    await expect(all).rejects.toThrow('one failed')
    expect([settled, source.ended]).toEqual([3, true])
  })

  test('its own signal stops it', async () => {
    const stop = new AbortController()
    const all = collect(
      mapInOrder(
        numbers(100),
        2,
        async (n, signal) => {
          if (n === 5) stop.abort()
          signal.throwIfAborted()
          return n
        },
        stop.signal,
      ),
    )
    await expect(all).rejects.toBeDefined()
  })

  test('a consumer that leaves ends the source', async () => {
    const source = { ended: false }
    for await (const n of mapInOrder(numbers(100, source), 2, async (n) => n)) if (n === 3) break
    expect(source.ended).toBe(true)
  })
})

describe('readAhead', () => {
  test('works while the consumer does, and no further ahead than told', async () => {
    const made: number[] = []
    const seen: number[][] = []
    async function* source() {
      for (let n = 0; n < 4; n++) {
        made.push(n)
        yield n
      }
    }
    for await (const n of readAhead(source(), 1)) {
      await pause(1)
      seen.push([n, made.length])
    }
    expect(seen).toEqual([
      [0, 2],
      [1, 3],
      [2, 4],
      [3, 4],
    ])
  })

  test('passes on a failure in its place, and ends the source when the consumer leaves', async () => {
    async function* failing() {
      yield 1
      throw new Error('source broke')
    }
    const seen: number[] = []
    const all = (async () => {
      for await (const n of readAhead(failing(), 2)) seen.push(n)
    })()
    await expect(all).rejects.toThrow('source broke')
    expect(seen).toEqual([1])
    const source = { ended: false }
    for await (const n of readAhead(numbers(100, source), 2)) if (n === 3) break
    expect(source.ended).toBe(true)
  })
})

async function* numbers(count: number, state = { ended: false }) {
  try {
    for (let n = 0; n < count; n++) yield n
  } finally {
    state.ended = true
  }
}

async function collect<T>(items: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = []
  for await (const item of items) all.push(item)
  return all
}
