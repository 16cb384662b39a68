import { describe, expect, test } from '@jest/globals'

import { RetryExhausted } from '../../src/core/retry.js'
import {
  BlobChangedError,
  BlobExistsError,
  BlobNotFoundError,
  StoreAccessError,
  StoreUnreachableError,
} from '../../src/storage/blob-store.js'
import { MemoryStore } from '../../src/storage/memory-store.js'
import { RetryingStore } from '../../src/storage/retrying-store.js'
import { bytes, text } from './conformance-subject.js'

const quick = { baseDelayMs: 1, maxDelayMs: 1 }
const retrying = (inner: MemoryStore) => new RetryingStore(inner, { firstContact: quick, batch: quick })

/** Applies writes, then loses the answer to the first ones. */
class LosingStore extends MemoryStore {
  lost = 1
  calls = 0

  override async putNew(...call: Parameters<MemoryStore['putNew']>) {
    return this.#lose(await super.putNew(...call))
  }

  override async putIfMatch(...call: Parameters<MemoryStore['putIfMatch']>) {
    return this.#lose(await super.putIfMatch(...call))
  }

  #lose(version: string): string {
    if (this.lost-- > 0) throw new StoreUnreachableError('the answer was lost')
    return version
  }
}

describe('a write whose answer was lost', () => {
  test('putNew recognises its own bytes and gives their version', async () => {
    const inner = new LosingStore()
    const store = retrying(inner)
    const version = await store.putNew('a', bytes('mine'))
    expect(version).toBe((await inner.get('a')).version)
  })

  test('putIfMatch recognises its own bytes and gives their version', async () => {
    const inner = new LosingStore()
    const store = retrying(inner)
    await inner.put('a', bytes('first'))
    const { version: first } = await inner.get('a')
    const second = await store.putIfMatch('a', bytes('second'), first)
    await store.putIfMatch('a', bytes('third'), second)
    expect(text((await inner.get('a')).bytes)).toBe('third')
  })

  test('putNew does not take another writer’s bytes for its own', async () => {
    class Overtaken extends MemoryStore {
      #tries = 0
      override async putNew(...call: Parameters<MemoryStore['putNew']>) {
        if (this.#tries++ > 0) return super.putNew(...call)
        await this.put('a', bytes('theirs'))
        throw new StoreUnreachableError('cut')
      }
    }
    await expect(retrying(new Overtaken()).putNew('a', bytes('mine'))).rejects.toThrow(BlobExistsError)
  })

  test('equal bytes are nobody’s proof when the first try was turned away', async () => {
    class Busy extends MemoryStore {
      #tries = 0
      override async putNew(...call: Parameters<MemoryStore['putNew']>) {
        if (this.#tries++ > 0) return super.putNew(...call)
        throw new StoreUnreachableError('busy', { unprocessed: true })
      }
    }
    const inner = new Busy()
    await inner.put('a', bytes('same'))
    await expect(retrying(inner).putNew('a', bytes('same'))).rejects.toThrow(BlobExistsError)
  })
})

describe('repeating', () => {
  class Failing extends MemoryStore {
    calls = 0
    failures: readonly Error[] = []

    override async put(...call: Parameters<MemoryStore['put']>) {
      const failure = this.failures[this.calls++]
      if (failure !== undefined) throw failure
      return super.put(...call)
    }
  }
  const unreachable = () => new StoreUnreachableError('away')

  test('first contact gives up after three repetitions and names the store', async () => {
    const inner = new Failing('named')
    inner.failures = Array.from({ length: 10 }, unreachable)
    const error = await retrying(inner)
      .put('a', bytes(''))
      .catch((reason: unknown) => reason)
    expect(error).toBeInstanceOf(RetryExhausted)
    expect(error).toMatchObject({ exitCode: 12, message: expect.stringContaining('memory://named') })
    expect(inner.calls).toBe(4)
  })

  test('after the first answer it is patient, even if that answer was a refusal', async () => {
    const inner = new Failing()
    inner.failures = Array.from({ length: 10 }, unreachable)
    const store = retrying(inner)
    await expect(store.get('nothing')).rejects.toThrow(BlobNotFoundError)
    await store.put('a', bytes('value'))
    expect(inner.calls).toBe(11)
  })

  test('what cannot succeed is not repeated', async () => {
    const inner = new Failing()
    inner.failures = [new StoreAccessError('no')]
    await expect(retrying(inner).put('a', bytes(''))).rejects.toThrow(StoreAccessError)
    expect(inner.calls).toBe(1)
    await expect(retrying(inner).putIfMatch('a', bytes(''), 'v')).rejects.toThrow(BlobChangedError)
  })

  test('a listing goes on behind the last key', async () => {
    const keys = Array.from({ length: 10 }, (_, at) => `k${at}`)
    const starts: string[] = []
    class Stumbling extends MemoryStore {
      override async *list(prefix: string, signal?: AbortSignal, after?: string) {
        starts.push(after ?? '')
        let given = 0
        for await (const info of super.list(prefix, signal, after)) {
          if (given++ === 3) throw new StoreUnreachableError('cut')
          yield info
        }
      }
    }
    const inner = new Stumbling()
    for (const key of keys) await inner.put(key, bytes(''))
    const found: string[] = []
    for await (const { key } of retrying(inner).list('')) found.push(key)
    expect(found).toEqual(keys)
    expect(starts).toEqual(['', 'k2', 'k5', 'k8'])
  })
})
