import { expect, test } from '@jest/globals'

import { withOverallProgress } from '../../src/core/overall-progress.js'
import type { Progress, ProgressEvent } from '../../src/core/progress.js'

const overall = { task: 'all', phase: 'write', unit: 'records', total: 30 } as const
const write = (task: string, done: number, state?: 'done' | 'failed'): ProgressEvent => ({
  task,
  phase: 'write',
  done,
  unit: 'records',
  bytes: done * 10,
  ...(state && { state }),
})

function recorded(): Progress & { readonly events: ProgressEvent[] } {
  const events: ProgressEvent[] = []
  return { events, update: (event) => events.push(event), warn: () => {} }
}

const sums = (events: readonly ProgressEvent[]) =>
  events.filter(({ task }) => task === overall.task).map(({ done, bytes, state }) => [done, bytes, state])

test('adds up what runs and what has ended, and comes before the first task', async () => {
  const progress = recorded()
  await withOverallProgress(progress, overall, async (within) => {
    within.update(write('a', 5))
    within.update(write('b', 10))
    within.update(write('a', 20, 'done'))
    within.update({ ...write('a', 20), phase: 'compare' })
    within.update(write('b', 10, 'done'))
  })
  expect(progress.events[0]).toEqual({ ...overall, done: 0, bytes: 0 })
  expect(sums(progress.events)).toEqual([
    [0, 0, undefined],
    [5, 50, undefined],
    [15, 150, undefined],
    [30, 300, undefined],
    [30, 300, undefined],
    [30, 300, 'done'],
  ])
  expect(progress.events.filter(({ task }) => task === 'a')).toHaveLength(3)
})

test('counts collections that have ended, however they did', async () => {
  const progress = recorded()
  await withOverallProgress(progress, { ...overall, unit: 'collections', total: 3 }, async (within) => {
    within.update(write('a', 5))
    within.update(write('a', 5, 'done'))
    within.update(write('b', 0, 'failed'))
  })
  expect(sums(progress.events).map(([done]) => done)).toEqual([0, 0, 1, 2, 2])
})

test('never goes back, when a task begins anew, and never beyond the total', async () => {
  const progress = recorded()
  await withOverallProgress(progress, overall, async (within) => {
    for (const done of [10, 0, 5, 12, 40]) within.update(write('a', done))
  })
  expect(sums(progress.events).map(([done]) => done)).toEqual([0, 10, 10, 10, 12, 30, 30])
})

test('ends when the work fails', async () => {
  const progress = recorded()
  const work = withOverallProgress(progress, overall, async (within) => {
    within.update(write('a', 5))
    throw new Error('broke')
  })
  await expect(work).rejects.toThrow('broke')
  expect(progress.events.at(-1)).toMatchObject({ task: overall.task, done: 5, state: 'failed' })
})
