import { EventEmitter } from 'node:events'

import { afterEach, beforeEach, describe, expect, jest, test } from '@jest/globals'

import { Interruption } from '../../src/commands/interruption.js'
import type { OpsError } from '../../src/core/errors.js'

let signals: EventEmitter
let ended: OpsError[]
let interruption: Interruption

beforeEach(() => {
  jest.useFakeTimers()
  signals = new EventEmitter()
  ended = []
  interruption = new Interruption({ signals, endNow: (reason) => ended.push(reason) })
})

afterEach(() => {
  interruption.dispose()
  jest.useRealTimers()
})

describe('a run that does not stop', () => {
  test('is ended within 8 s of SIGTERM', () => {
    signals.emit('SIGTERM')
    expect(interruption.signal.aborted).toBe(true)
    expect(ended).toEqual([])
    jest.advanceTimersByTime(8_000)
    expect(ended).toMatchObject([{ code: 'TERMINATED', exitCode: 143 }])
  })

  test('is ended within 8 s of its timeout', () => {
    interruption.limit(60_000)
    jest.advanceTimersByTime(59_999)
    expect(interruption.signal.aborted).toBe(false)
    jest.advanceTimersByTime(8_001)
    expect(ended).toMatchObject([{ code: 'TIMEOUT', exitCode: 18 }])
  })

  test('has all the time it needs after SIGINT, until there is a second signal', () => {
    signals.emit('SIGINT')
    jest.advanceTimersByTime(60_000)
    expect(ended).toEqual([])
    signals.emit('SIGTERM')
    expect(ended).toMatchObject([{ exitCode: 143 }])
  })
})

test('the first reason counts', () => {
  interruption.limit(1_000)
  signals.emit('SIGINT')
  jest.advanceTimersByTime(2_000)
  expect(interruption.reason).toMatchObject({ code: 'INTERRUPTED' })
  expect(interruption.signal.reason).toBe(interruption.reason)
})

test('after its end nothing listens and nothing is due', () => {
  signals.emit('SIGTERM')
  interruption.dispose()
  jest.advanceTimersByTime(60_000)
  expect(ended).toEqual([])
  expect(signals.listenerCount('SIGINT') + signals.listenerCount('SIGTERM')).toBe(0)
})
