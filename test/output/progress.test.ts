import { afterEach, describe, expect, jest, test } from '@jest/globals'

import type { ProgressEvent } from '../../src/core/progress.js'
import { ProgressBars } from '../../src/output/progress-bars.js'
import { ProgressLines } from '../../src/output/progress-lines.js'
import { progressText } from '../../src/output/progress-text.js'
import { ProgressTracker } from '../../src/output/progress-tracker.js'
import { Capture } from '../helpers/run-cli.js'

const event = (done: number, more: Partial<ProgressEvent> = {}): ProgressEvent => ({
  task: 't/d/docs',
  phase: 'read',
  done,
  total: 1000,
  unit: 'records',
  bytes: done * 1024,
  ...more,
})

describe('the tracker', () => {
  test('rates and remaining time come from what was done since the start', () => {
    let time = 0
    const tracker = new ProgressTracker(() => time)
    tracker.apply(event(0))
    time = 2000
    const state = tracker.apply(event(200))
    expect(state).toMatchObject({ done: 200, rate: 100, byteRate: 102_400, remaining: 8000 })
  })

  test('a rate follows a change of speed: only the last seconds count', () => {
    let time = 0
    const tracker = new ProgressTracker(() => time)
    for (let step = 0; step <= 20; step++) {
      time = step * 1000
      tracker.apply(event(step * 10))
    }
    for (let step = 1; step <= 15; step++) {
      time = 20_000 + step * 1000
      tracker.apply(event(200 + step))
    }
    expect(tracker.active()[0]?.rate).toBeCloseTo(1, 0)
  })

  test('a new phase starts its own count', () => {
    let time = 0
    const tracker = new ProgressTracker(() => time)
    tracker.apply(event(0))
    time = 1000
    tracker.apply(event(1000))
    const state = tracker.apply(event(0, { phase: 'compare' }))
    expect(state).toMatchObject({ phase: 'compare', done: 0, rate: 0, remaining: null })
  })

  test('a task that has ended is forgotten', () => {
    const tracker = new ProgressTracker(() => 0)
    tracker.apply(event(10))
    expect(tracker.apply(event(1000, { state: 'done' }))).toBeUndefined()
    expect(tracker.active()).toEqual([])
  })

  test('without a total nothing is said about the end', () => {
    let time = 0
    const tracker = new ProgressTracker(() => time)
    const open: ProgressEvent = { task: 'docs', phase: 'read', done: 0, unit: 'records' }
    tracker.apply(open)
    time = 1000
    expect(tracker.apply({ ...open, done: 5 })).toMatchObject({ total: null, remaining: null, rate: 5 })
  })
})

test('progress reads as amount, rate, bytes and remaining time', () => {
  const state = {
    task: 'docs',
    phase: 'read',
    unit: 'records',
    done: 12_000,
    total: 20_000,
    bytes: 32_715_571,
    rate: 1234,
    byteRate: 3_250_585,
    remaining: 6500,
  } as const
  expect(progressText(state)).toBe('12,000/20,000 records · 1,234/s · 31.2 MiB (3.10 MiB/s) · ETA 6.5 s')
  expect(progressText({ ...state, total: null, rate: 0, byteRate: 0, remaining: null, bytes: 0 })).toBe(
    '12,000 records',
  )
  const slow = { ...state, unit: 'collections', done: 1, total: 9, rate: 0.2, bytes: 0 } as const
  expect(progressText(slow)).toBe('1/9 collections · ETA 6.5 s')
})

describe('without a terminal', () => {
  afterEach(() => {
    jest.useRealTimers()
  })

  test('a line each half minute for what is under way, and none when nothing is', () => {
    jest.useFakeTimers()
    const stream = new Capture()
    const lines = new ProgressLines(stream, 30_000, () => Date.now())
    lines.update(event(0))
    jest.advanceTimersByTime(29_999)
    expect(stream.text).toBe('')
    lines.update(event(300))
    jest.advanceTimersByTime(1)
    expect(stream.text).toBe(
      'reading t/d/docs: 300/1,000 records · 10/s · 300.0 KiB (10.0 KiB/s) · ETA 1 min 10 s\n',
    )
    lines.update(event(1000, { state: 'done' }))
    jest.advanceTimersByTime(60_000)
    expect(stream.text.split('\n')).toHaveLength(2)
    lines.close()
  })

  test('many tasks are not listed one by one', () => {
    jest.useFakeTimers()
    const stream = new Capture()
    const lines = new ProgressLines(stream, 30_000, () => Date.now())
    for (let task = 0; task < 8; task++) lines.update(event(1, { task: `t${task}` }))
    jest.advanceTimersByTime(30_000)
    expect(stream.text).toContain('and 3 more\n')
    lines.close()
  })
})

describe('on a terminal', () => {
  test('a bar shows name, share and figures; a message does not disturb it; the end leaves the cursor', () => {
    const stream = new Capture(true)
    const bars = new ProgressBars(stream, () => 0)
    bars.update(event(500))
    bars.print('a message\n')
    bars.close()
    expect(stream.text).toContain('reading t/d/docs')
    expect(stream.text).toContain('50% 500/1,000 records')
    expect(stream.text).toContain('a message')
    expect(stream.text.lastIndexOf('\u001b[?25h')).toBeGreaterThan(stream.text.lastIndexOf('\u001b[?25l'))
  })

  test('after the end messages are plain lines', () => {
    const stream = new Capture(true)
    const bars = new ProgressBars(stream, () => 0)
    bars.update(event(500))
    bars.close()
    stream.text = ''
    bars.print('done\n')
    expect(stream.text).toBe('done\n')
  })
})
