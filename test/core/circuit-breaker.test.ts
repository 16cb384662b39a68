import { describe, expect, test } from '@jest/globals'

import { CircuitBreaker, CircuitOpenError } from '../../src/core/circuit-breaker.js'
import { AbortedError } from '../../src/core/errors.js'
import { interactivePolicy, RetryManager } from '../../src/core/retry.js'

class Away extends Error {
  readonly retryable = true
}

function setUp() {
  const clock = { time: 0 }
  const breaker = new CircuitBreaker({
    options: { failureThreshold: 3, openMs: 1000, maxOpenMs: 3000 },
    counts: (error) => error instanceof Away,
    now: () => clock.time,
  })
  const fail = (error: Error = new Away('away')) => breaker.failed(error, breaker.admit())
  return { clock, breaker, fail }
}

describe('circuit breaker', () => {
  test('closed: calls pass; a few failures change nothing', () => {
    const { breaker, fail } = setUp()
    fail()
    fail()
    expect(breaker.state).toBe('closed')
    expect(breaker.admit()).toBe(false)
  })

  test('opens after enough failures in a row and refuses at once, naming the failure', () => {
    const { breaker, fail } = setUp()
    fail()
    fail()
    fail(new Away('nobody there'))
    expect(breaker.state).toBe('open')
    expect(() => breaker.admit()).toThrow(CircuitOpenError)
    expect(() => breaker.admit()).toThrow('nobody there')
  })

  test('a success in between starts the count anew', () => {
    const { breaker, fail } = setUp()
    fail()
    fail()
    breaker.succeeded()
    fail()
    fail()
    expect(breaker.state).toBe('closed')
  })

  test('an error that is an answer shows that somebody is there', () => {
    const { breaker, fail } = setUp()
    fail()
    fail()
    fail(new Error('404'))
    fail()
    fail()
    expect(breaker.state).toBe('closed')
  })

  test('half-open: one call may try, the others are refused', () => {
    const { breaker, clock, fail } = setUp()
    fail()
    fail()
    fail()
    clock.time += 1000
    expect(breaker.state).toBe('half-open')
    expect(breaker.admit()).toBe(true)
    expect(() => breaker.admit()).toThrow(CircuitOpenError)
  })

  test('a trial that succeeds closes it', () => {
    const { breaker, clock, fail } = setUp()
    fail()
    fail()
    fail()
    clock.time += 1000
    breaker.admit()
    breaker.succeeded()
    expect(breaker.state).toBe('closed')
    expect(breaker.admit()).toBe(false)
  })

  test('trials that fail make the pause longer, up to its maximum', () => {
    const { breaker, clock, fail } = setUp()
    fail()
    fail()
    fail()
    const pauses: number[] = []
    for (let trial = 0; trial < 4; trial++) {
      const waitMs = waitOf(breaker)
      pauses.push(waitMs)
      clock.time += waitMs
      fail()
    }
    expect(pauses).toEqual([1000, 2000, 3000, 3000])
    expect(breaker.opened).toBe(5)
  })

  test('a trial that its caller stops makes room for the next one', () => {
    const { breaker, clock, fail } = setUp()
    fail()
    fail()
    fail()
    clock.time += 1000
    fail(new AbortedError())
    expect(breaker.state).toBe('half-open')
    expect(breaker.admit()).toBe(true)
  })

  test('calls that were under way when it opened do not make the pause longer', () => {
    const { breaker, fail } = setUp()
    const late = breaker.admit()
    fail()
    fail()
    fail()
    breaker.failed(new Away('late'), late)
    expect(waitOf(breaker)).toBe(1000)
  })

  test('with retries: a dead server is asked far less often than it is wanted', async () => {
    let asked = 0
    const breaker = new CircuitBreaker({
      options: { failureThreshold: 3, openMs: 20, maxOpenMs: 20 },
      counts: (error) => error instanceof Away,
      now: () => performance.now(),
    })
    const retries = new RetryManager({ policy: { ...interactivePolicy, baseDelayMs: 1 }, breaker })
    const wanted = Array.from({ length: 20 }, () =>
      retries.run(
        async () => {
          asked++
          await new Promise((resolve) => setTimeout(resolve, 1))
          throw new Away('nobody there')
        },
        { describe: 'GET /', idempotent: true },
      ),
    )
    const results = await Promise.allSettled(wanted)
    expect(results.every(({ status }) => status === 'rejected')).toBe(true)
    // The first attempts run side by side; after them only trials are made: 80 without a breaker.
    expect(asked).toBeLessThanOrEqual(30)
    const reasons = results.map((result) => (result.status === 'rejected' ? String(result.reason) : ''))
    expect(new Set(reasons.map((reason) => reason.replace(/^.*\): /, '')))).toEqual(new Set(['nobody there']))
  })
})

function waitOf(breaker: CircuitBreaker): number {
  try {
    breaker.admit()
  } catch (error) {
    if (error instanceof CircuitOpenError) return error.retryAfterMs
  }
  throw new Error('the circuit is not open')
}
