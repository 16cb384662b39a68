import { describe, expect, test } from '@jest/globals'

import { AbortedError, OpsError } from '../../src/core/errors.js'
import {
  batchPolicy,
  interactivePolicy,
  RetryExhausted,
  RetryManager,
  type Clock,
  type RetryEvent,
  type RetryOptions,
  type RetryPolicy,
} from '../../src/core/retry.js'

class Failure extends OpsError {
  override readonly code = 'FAILURE'
  readonly retryable: boolean
  readonly unprocessed: boolean
  readonly retryAfterMs: number | undefined

  constructor(hints: { retryable?: boolean; unprocessed?: boolean; retryAfterMs?: number } = {}) {
    super('the server is away', { hint: 'start it' })
    this.retryable = hints.retryable ?? true
    this.unprocessed = hints.unprocessed ?? false
    this.retryAfterMs = hints.retryAfterMs
  }
}

/** Time that passes only while somebody sleeps. */
class TestClock implements Clock {
  time = 0
  readonly pauses: number[] = []

  now(): number {
    return this.time
  }

  async sleep(ms: number, signal?: AbortSignal): Promise<void> {
    if (signal?.aborted) throw new AbortedError(signal.reason)
    this.pauses.push(ms)
    this.time += ms
  }
}

const steady: RetryPolicy = { ...interactivePolicy, jitter: false }
const call = { describe: 'GET /thing', idempotent: true }

function setUp(options: Partial<RetryOptions> & { policy: RetryPolicy }) {
  const clock = new TestClock()
  const events: RetryEvent[] = []
  const retries = new RetryManager({ clock, onRetry: (event) => events.push(event), ...options })
  return { clock, events, retries }
}

/** Fails as often as there are errors, then gives 'done'. */
function failing(...errors: Error[]) {
  const attempts: number[] = []
  const operation = async (attempt: number) => {
    attempts.push(attempt)
    const error = errors[attempt - 1]
    if (error !== undefined) throw error
    return 'done'
  }
  return { operation, attempts }
}

describe('profiles', () => {
  test('interactive: 3 retries, base 1 s, cap 60 s, factor 2, jitter', () => {
    expect(interactivePolicy).toEqual({
      maxRetries: 3,
      baseDelayMs: 1000,
      maxDelayMs: 60_000,
      factor: 2,
      jitter: true,
      deadlineMs: null,
      noProgressMs: null,
    })
  })

  test('batch: patient for 15 minutes without progress', () => {
    expect(batchPolicy.noProgressMs).toBe(15 * 60_000)
  })
})

describe('attempts', () => {
  test('a success is returned at once', async () => {
    const { retries, clock } = setUp({ policy: steady })
    const { operation, attempts } = failing()
    expect(await retries.run(operation, call)).toBe('done')
    expect(attempts).toEqual([1])
    expect(clock.pauses).toEqual([])
    expect(retries.stats).toEqual({ calls: 1, retries: 0, exhausted: 0, waitedMs: 0 })
  })

  test('failures are repeated after pauses that double', async () => {
    const { retries, clock, events } = setUp({ policy: steady })
    const { operation, attempts } = failing(new Failure(), new Failure(), new Failure())
    expect(await retries.run(operation, call)).toBe('done')
    expect(attempts).toEqual([1, 2, 3, 4])
    expect(clock.pauses).toEqual([1000, 2000, 4000])
    expect(events.map(({ attempt, delayMs }) => [attempt, delayMs])).toEqual([
      [1, 1000],
      [2, 2000],
      [3, 4000],
    ])
    expect(retries.stats).toEqual({ calls: 1, retries: 3, exhausted: 0, waitedMs: 7000 })
  })

  test('pauses end at the cap', async () => {
    const { retries, clock } = setUp({ policy: { ...steady, maxRetries: 9, maxDelayMs: 5000 } })
    await retries.run(failing(...Array.from({ length: 6 }, () => new Failure())).operation, call)
    expect(clock.pauses).toEqual([1000, 2000, 4000, 5000, 5000, 5000])
  })

  test('full jitter takes any part of the pause', async () => {
    const draws = [0, 0.5, 0.999]
    const random = () => draws.shift() ?? 0
    const { retries, clock } = setUp({ policy: { ...steady, jitter: true }, random })
    await retries.run(failing(new Failure(), new Failure(), new Failure()).operation, call)
    expect(clock.pauses).toEqual([0, 1000, 3996])
  })

  test('when every attempt failed, the error names the attempts and the last cause', async () => {
    const { retries } = setUp({ policy: steady })
    const last = new Failure()
    const { operation, attempts } = failing(new Failure(), new Failure(), new Failure(), last)
    const error = await failureOf(retries.run(operation, call))
    expect(attempts).toHaveLength(4)
    expect(error).toBeInstanceOf(RetryExhausted)
    expect(error).toMatchObject({
      message: 'GET /thing: gave up after 4 attempts in 7.0 s (every attempt failed): the server is away',
      code: 'RETRY_EXHAUSTED',
      exitCode: 12,
      hint: 'start it',
      attempts: 4,
      reason: 'attempts',
      cause: last,
    })
    expect(retries.stats.exhausted).toBe(1)
  })
})

describe('what is not repeated', () => {
  test('an error that does not say it is retryable', async () => {
    const { retries } = setUp({ policy: steady })
    for (const error of [new Failure({ retryable: false }), new TypeError('bug')]) {
      const { operation, attempts } = failing(error)
      expect(await failureOf(retries.run(operation, call))).toBe(error)
      expect(attempts).toEqual([1])
    }
  })

  test('a call that is not idempotent, when its outcome is unknown', async () => {
    const { retries } = setUp({ policy: steady })
    const unknown = new Failure()
    const { operation, attempts } = failing(unknown)
    const error = await failureOf(retries.run(operation, { ...call, idempotent: false }))
    expect(error).toBe(unknown)
    expect(attempts).toEqual([1])
  })

  test('a call that is not idempotent is repeated when the request surely was not processed', async () => {
    const { retries } = setUp({ policy: steady })
    const { operation, attempts } = failing(new Failure({ unprocessed: true }))
    expect(await retries.run(operation, { ...call, idempotent: false })).toBe('done')
    expect(attempts).toEqual([1, 2])
  })
})

describe('Retry-After', () => {
  test('a longer pause is honoured', async () => {
    const { retries, clock } = setUp({ policy: steady })
    await retries.run(failing(new Failure({ retryAfterMs: 7500 })).operation, call)
    expect(clock.pauses).toEqual([7500])
  })

  test('a shorter one does not shorten the back-off', async () => {
    const { retries, clock } = setUp({ policy: steady })
    await retries.run(failing(new Failure({ retryAfterMs: 10 })).operation, call)
    expect(clock.pauses).toEqual([1000])
  })

  test('longer than the cap: told at once instead of slept', async () => {
    const { retries, clock } = setUp({ policy: steady })
    const error = await failureOf(
      retries.run(failing(new Failure({ retryAfterMs: 3_600_000 })).operation, call),
    )
    expect(error).toMatchObject({ reason: 'retryAfter', attempts: 1 })
    expect(clock.pauses).toEqual([])
  })
})

describe('abort', () => {
  test('before the first attempt', async () => {
    const { retries } = setUp({ policy: steady })
    const { operation, attempts } = failing()
    const error = await failureOf(retries.run(operation, { ...call, signal: AbortSignal.abort('enough') }))
    expect(error).toBeInstanceOf(AbortedError)
    expect(attempts).toEqual([])
  })

  test('a real pause is cut short at once', async () => {
    const retries = new RetryManager({ policy: { ...steady, baseDelayMs: 60_000 } })
    const interrupt = new AbortController()
    const started = performance.now()
    setTimeout(() => interrupt.abort('enough'), 30)
    const error = await failureOf(
      retries.run(failing(new Failure()).operation, { ...call, signal: interrupt.signal }),
    )
    expect(error).toMatchObject({ code: 'ABORTED', cause: 'enough' })
    expect(performance.now() - started).toBeLessThan(5000)
  })

  test('an attempt that was cut off is not repeated, whatever error it ends with', async () => {
    const { retries } = setUp({ policy: steady })
    const interrupt = new AbortController()
    const operation = async () => {
      interrupt.abort('enough')
      throw new Failure()
    }
    const error = await failureOf(retries.run(operation, { ...call, signal: interrupt.signal }))
    expect(error).toBeInstanceOf(AbortedError)
  })
})

describe('deadline', () => {
  test('no pause is begun that would end behind it', async () => {
    const { retries, clock } = setUp({ policy: { ...steady, maxRetries: 99, deadlineMs: 5000 } })
    // The watch over the deadline sleeps on this clock too: only the time of the attempts is looked at.
    clock.sleep = async (ms, signal) => {
      if (ms === 5000) return new Promise((_, reject) => signal?.addEventListener('abort', reject))
      clock.pauses.push(ms)
      clock.time += ms
    }
    const error = await failureOf(
      retries.run(failing(...Array.from({ length: 9 }, () => new Failure())).operation, call),
    )
    expect(clock.pauses).toEqual([1000, 2000])
    expect(error).toMatchObject({ reason: 'deadline', attempts: 3 })
  })

  test('an attempt that hangs is cut off by its signal', async () => {
    const retries = new RetryManager({ policy: { ...steady, deadlineMs: 40 } })
    const operation = (_attempt: number, signal: AbortSignal | undefined) =>
      new Promise<never>((_, reject) => signal?.addEventListener('abort', () => reject(new Error('cut'))))
    const error = await failureOf(retries.run(operation, call))
    expect(error).toMatchObject({ reason: 'deadline', attempts: 1 })
    expect(String(error)).toContain('no answer in time')
  })

  test('a call in time leaves no timer behind', async () => {
    const retries = new RetryManager({ policy: { ...steady, deadlineMs: 3_600_000 } })
    expect(await retries.run(failing().operation, call)).toBe('done')
  })
})

describe('batch', () => {
  const batch: RetryPolicy = { ...batchPolicy, jitter: false }

  test('a server that is away for ten minutes does not end the run', async () => {
    const { retries, clock } = setUp({ policy: batch })
    const away = async () => {
      if (clock.time < 10 * 60_000) throw new Failure()
      return 'done'
    }
    expect(await retries.run(away, call)).toBe('done')
    expect(retries.stats.retries).toBeGreaterThan(10)
  })

  test('a quarter of an hour without any success does', async () => {
    const { retries, clock } = setUp({ policy: batch })
    const error = await failureOf(
      retries.run(async () => {
        throw new Failure({ unprocessed: true })
      }, call),
    )
    expect(error).toMatchObject({ reason: 'noProgress' })
    expect(clock.time).toBeGreaterThan(13 * 60_000)
    expect(clock.time).toBeLessThanOrEqual(15 * 60_000)
  })

  test('the success of any other call counts as progress', async () => {
    const { retries, clock } = setUp({ policy: batch })
    const unlucky = async () => {
      await retries.run(async () => 'other', call)
      if (clock.time < 40 * 60_000) throw new Failure({ unprocessed: true })
      return 'done'
    }
    expect(await retries.run(unlucky, call)).toBe('done')
  })

  test('a call that alone fails while others succeed is given up after maxRetries', async () => {
    const { retries } = setUp({ policy: batch })
    const poison = async () => {
      await retries.run(async () => 'other', call)
      throw new Failure()
    }
    const error = await failureOf(retries.run(poison, call))
    expect(error).toMatchObject({ reason: 'attempts', attempts: batch.maxRetries + 1 })
  })

  test('a long silence before the call does not count', async () => {
    const { retries, clock } = setUp({ policy: batch })
    await retries.run(async () => 'done', call)
    clock.time += 60 * 60_000
    expect(await retries.run(failing(new Failure(), new Failure()).operation, call)).toBe('done')
  })

  test('a policy set later holds for calls under way', async () => {
    const { retries, clock } = setUp({ policy: steady })
    const operation = async (attempt: number) => {
      if (attempt === 2) retries.usePolicy(batch)
      if (attempt < 8) throw new Failure()
      return clock.time
    }
    expect(await retries.run(operation, call)).toBeGreaterThan(60_000)
  })
})

async function failureOf(promise: Promise<unknown>): Promise<unknown> {
  return promise.then(
    (value) => {
      throw new Error(`expected a failure, got ${String(value)}`)
    },
    (error: unknown) => error,
  )
}
