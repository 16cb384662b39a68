import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'

import { afterEach, beforeEach, describe, expect, test } from '@jest/globals'

import type { RecordBatch } from '../../../src/core/records.js'
import type { Clock } from '../../../src/core/retry.js'
import type { EmbeddingProvider, ReembedOptions } from '../../../src/migrations/collection-operations.js'
import { DiskEmbeddingCache } from '../../../src/migrations/operations/embedding-cache-disk.js'
import { fuse, type FuseTools } from '../../../src/migrations/operations/fuse.js'
import { typedBatch } from './step-records.js'

const signal = new AbortController().signal
let directory: string
let cache: DiskEmbeddingCache
beforeEach(async () => {
  directory = await mkdtemp(path.join(tmpdir(), 'chroma-ops-reembed-'))
  cache = new DiskEmbeddingCache({ directory })
})
afterEach(async () => {
  await cache.close()
  await rm(directory, { recursive: true, force: true })
})

/** Time that passes only when somebody waits for it. */
class Time implements Clock {
  at = 0
  readonly waits: number[] = []

  now(): number {
    return this.at
  }

  async sleep(ms: number): Promise<void> {
    this.waits.push(ms)
    this.at += ms
  }
}

/** A provider that says how it was asked. */
function provider(answer: (texts: string[], call: number) => unknown = lengths) {
  const calls: string[][] = []
  let [running, most] = [0, 0]
  const made: { readonly calls: string[][]; readonly most: () => number; readonly with: EmbeddingProvider } =
    {
      calls,
      most: () => most,
      with: {
        name: 'lengths',
        getConfig: () => ({ model: 'm' }),
        async generate(texts) {
          calls.push(texts)
          most = Math.max(most, ++running)
          await new Promise((resolve) => setImmediate(resolve))
          running--
          const answered = answer(texts, calls.length)
          if (!isVectors(answered)) throw new TypeError('never')
          return answered
        },
      },
    }
  return made
}

function lengths(texts: string[]): number[][] {
  return texts.map((text) => [text.length, 1])
}

/** A provider may answer anything. */
function isVectors(_: unknown): _ is number[][] {
  return true
}

function texts(...documents: (string | null)[]): RecordBatch {
  return { ...typedBatch(documents.length), documents }
}

function mapOf(options: ReembedOptions, tools: Partial<FuseTools> = {}) {
  return fuse([{ kind: 'reembed', options }], { cache, retry: { baseDelayMs: 1 }, ...tools })
}

test('each different text is asked for once, in batches; answers go to their records', async () => {
  const { calls, most, with: from } = provider()
  const map = mapOf({ with: from, batch: 2, concurrency: 2 })
  const result = await map.map(texts('a', 'bb', 'a', 'ccc', 'dddd', 'eeeee', 'bb', 'f', 'gg'), signal)
  expect(result.dimension).toBe(2)
  expect([...result.embeddings].filter((_, at) => at % 2 === 0)).toEqual([1, 2, 1, 3, 4, 5, 2, 1, 2])
  expect(calls.map(({ length }) => length)).toEqual([2, 2, 2, 1])
  expect(most()).toBe(2)
  expect(map.embedded).toBe(7)
  expect(map.newVectors).toBe(true)
})

test('what was answered is not asked for again: not side by side, not later, not by another run', async () => {
  const { calls, with: from } = provider()
  const map = mapOf({ with: from })
  await Promise.all([map.map(texts('a', 'b'), signal), map.map(texts('b', 'c'), signal)])
  await map.map(texts('a', 'c'), signal)
  const again = mapOf({
    with: provider(() => {
      throw new Error('asked')
    }).with,
  })
  await again.map(texts('a', 'b', 'c'), signal)
  expect(calls.flat().sort()).toEqual(['a', 'b', 'c'])
  expect(again.embedded).toBe(0)
})

test('vectors of one model are not taken for those of another, nor for those of a provider without a name', async () => {
  await mapOf({ with: provider().with }).map(texts('a'), signal)
  for (const options of [
    { model: 'other' },
    { with: { generate: async (some: string[]) => Promise.resolve(lengths(some)) } },
  ]) {
    const asked = provider()
    const map = mapOf({ with: asked.with, ...options })
    await map.map(texts('a'), signal)
    expect(map.embedded).toBe(1)
  }
})

test('records without text are counted and named', async () => {
  const { calls, with: from } = provider()
  const documents = ['a', null, null, '', null, null, null, null]
  await expect(mapOf({ with: from }).map(texts(...documents), signal)).rejects.toMatchObject({
    code: 'TEXT_MISSING',
    message:
      'reembed: 6 of 8 records looked at have no text to make a vector from: "id-1", "id-2", "id-4", "id-5", "id-6" and 1 more',
  })
  expect(calls).toEqual([])
  const input = ({ id }: { id: string }) => `text of ${id}`
  expect((await mapOf({ with: from, input }).map(texts(...documents), signal)).embeddings[0]).toBe(12)
})

describe('a provider that answers something else than vectors', () => {
  test.each<[string, unknown, RegExp]>([
    ['too few', [[1, 2]], /answered 1 vector for 2 texts/],
    ['nothing', undefined, /answered undefined/],
    [
      'NaN',
      [
        [1, 2],
        [1, NaN],
      ],
      /vector 2 of 2: number 2 of the embedding is NaN/,
    ],
    ['other lengths', [[1, 2], [1]], /a vector of 1 numbers after others of 2/],
    ['texts', [['1'], ['2']], /vector 1 of 2: number 1 .* is the text "1"/],
    ['an empty one', [[], []], /vector 1 of 2: the embedding has 0 numbers/],
  ])('%s', async (_, answer, message) => {
    const { calls, with: from } = provider(() => answer)
    await expect(mapOf({ with: from }).map(texts('a', 'b'), signal)).rejects.toThrow(message)
    expect(calls).toHaveLength(1)
  })

  test('of another length in a later call', async () => {
    const { with: from } = provider((asked, call) => asked.map(() => (call === 1 ? [1, 2] : [1, 2, 3])))
    const map = mapOf({ with: from })
    await map.map(texts('a'), signal)
    await expect(map.map(texts('b'), signal)).rejects.toThrow('3 numbers after others of 2')
  })
})

describe('a provider that fails', () => {
  const failing = (times: number, error: object) =>
    provider((asked, call) => {
      if (call <= times) throw Object.assign(new Error('not now'), error)
      return lengths(asked)
    })

  test.each<[string, object, number]>([
    ['too many requests', { status: 429, headers: new Headers({ 'retry-after': '7' }) }, 7000],
    [
      'too many, as another package tells it',
      { response: { status: 429, headers: { 'Retry-After': '5' } } },
      5000,
    ],
    ['a server error', { status: 503 }, 0],
    ['the network', { code: 'ECONNRESET' }, 0],
  ])('is asked again: %s', async (_, error, atLeast) => {
    const clock = new Time()
    const { calls, with: from } = failing(2, error)
    await mapOf({ with: from }, { clock }).map(texts('a'), signal)
    expect(calls).toHaveLength(3)
    expect(Math.min(...clock.waits)).toBeGreaterThanOrEqual(atLeast)
  })

  test('for good is not asked again, and its key is not repeated', async () => {
    const { calls, with: from } = provider(() => {
      throw Object.assign(new Error('Incorrect API key provided: sk-proj-abcdefgh12345'), { status: 401 })
    })
    const failure = mapOf({ with: from }).map(texts('a'), signal)
    await expect(failure).rejects.toMatchObject({ code: 'PROVIDER_FAILED' })
    await expect(failure).rejects.toThrow(
      'reembed: embedding provider lengths: Incorrect API key provided: ***',
    )
    expect(calls).toHaveLength(1)
  })

  test('again and again is given up, and what others answered is kept', async () => {
    const { with: from } = provider((asked) => {
      if (asked.includes('b')) throw new Error('never')
      return lengths(asked)
    })
    const tools = { retry: { maxRetries: 1, baseDelayMs: 1 } }
    const options = { with: from, batch: 1, concurrency: 1 }
    await expect(mapOf(options, tools).map(texts('a', 'b'), signal)).rejects.toMatchObject({
      code: 'PROVIDER_FAILED',
      hint: expect.stringContaining('run it again'),
    })
    expect(await cache.get('{"config":{"model":"m"},"name":"lengths"}', ['a'])).not.toEqual([null])
  })

  test('that never answers is not waited for', async () => {
    const from: EmbeddingProvider = { generate: () => new Promise(() => {}) }
    const tools = { timeoutMs: 20, retry: { maxRetries: 0 } }
    await expect(mapOf({ with: from }, tools).map(texts('a'), signal)).rejects.toThrow(
      'no answer within 0.02 s',
    )
    const stop = new AbortController()
    const waiting = mapOf({ with: from }).map(texts('a'), stop.signal)
    setTimeout(() => stop.abort(), 10)
    await expect(waiting).rejects.toMatchObject({ code: 'ABORTED' })
  })
})

test('calls a minute: no minute holds more than allowed', async () => {
  const clock = new Time()
  const times: number[] = []
  const { with: from } = provider((asked) => {
    times.push(clock.at)
    return lengths(asked)
  })
  const documents = Array.from({ length: 50 }, (_, at) => `text ${at}`)
  await mapOf({ with: from, batch: 1, concurrency: 1, rpm: 20 }, { clock }).map(texts(...documents), signal)
  for (const [at, time] of times.entries())
    expect(times.slice(at).filter((later) => later < time + 60_000).length).toBeLessThanOrEqual(20)
  expect(times.at(-1)).toBe(49 * 3000)
})

test('the cost is refused before it is made; cached texts cost nothing', async () => {
  const { calls, with: from } = provider()
  const options = { with: from, batch: 1, concurrency: 1, pricePerThousandTokens: 1, maxCost: 0.025 }
  const text = (at: number) => `${at}`.repeat(40)
  await expect(mapOf(options).map(texts(text(1), text(2), text(3)), signal)).rejects.toMatchObject({
    code: 'COST_LIMIT',
    message: expect.stringContaining('of the 0.03 allowed 0.02 are spent'),
  })
  expect(calls).toHaveLength(2)
  await mapOf(options).map(texts(text(1), text(2), text(3)), signal)
  expect(calls).toHaveLength(3)
})

test.each<[Partial<ReembedOptions>, RegExp]>([
  [{ batch: 0 }, /batch must be/],
  [{ concurrency: 1.5 }, /concurrency must be/],
  [{ rpm: 0 }, /rpm must be/],
  [{ maxCost: 5 }, /needs pricePerThousandTokens/],
])('settings that cannot be meant are refused at once: %j', (options, message) => {
  expect(() => mapOf({ with: provider().with, ...options })).toThrow(message)
})
