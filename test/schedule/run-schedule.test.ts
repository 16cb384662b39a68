import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'

import { afterEach, beforeEach, expect, test } from '@jest/globals'

import { runSchedule, type FinishedRun, type ScheduleJob } from '../../src/schedule/run-schedule.js'
import { newTaskState, readState, writeState, type TaskState } from '../../src/schedule/state.js'
import type { ScheduledTask, TaskKind } from '../../src/schedule/task.js'

let stateDir: string
let warnings: string[]

beforeEach(async () => {
  stateDir = await mkdtemp(path.join(tmpdir(), 'chroma-ops-run-schedule-'))
  warnings = []
})

afterEach(() => rm(stateDir, { recursive: true }))

/** Ends with these exit codes, one after the other; its slot is once a year. */
function task(kind: TaskKind, ...exitCodes: readonly number[]): ScheduledTask {
  let run = 0
  return {
    profile: 'prod',
    kind,
    words: [],
    pattern: '0 0 1 1 *',
    timezone: 'UTC',
    jitterMs: 0,
    run: async () => ({ exitCode: exitCodes[run++] ?? 0, document: {} }),
    onSuccess: null,
    onFailure: null,
    hookTimeoutMs: 1000,
  }
}

function jobOf(tasks: readonly ScheduledTask[], overrides: Partial<ScheduleJob> = {}): ScheduleJob {
  return {
    tasks,
    stateDir,
    once: true,
    host: 'h',
    environment: {},
    now: () => new Date(),
    retryAfterMs: 1,
    figuresOf: () => ({}),
    events: {
      started: () => {},
      finished: () => {},
      hookLine: () => {},
      hookFailed: () => {},
      warn: (code) => warnings.push(code),
      changed: async () => {},
    },
    signal: new AbortController().signal,
    ...overrides,
  }
}

async function stateOf(kind: TaskKind): Promise<TaskState | undefined> {
  return (await readState(stateDir))?.[`prod/${kind}`]
}

test('what is due together runs in order, one at a time', async () => {
  const order: string[] = []
  const noted = (kind: TaskKind): ScheduledTask => ({
    ...task(kind),
    run: async () => {
      order.push(`${kind} begins`)
      await new Promise((resolve) => setTimeout(resolve, 5))
      order.push(`${kind} ends`)
      return { exitCode: 0, document: {} }
    },
  })
  await runSchedule(jobOf([noted('prune'), noted('backup'), noted('verify')]))
  expect(order).toEqual(['backup', 'verify', 'prune'].flatMap((kind) => [`${kind} begins`, `${kind} ends`]))
})

test.each([11, 12, 18])(
  'what ended with %d is tried again twice, then waits for its next slot',
  async (code) => {
    const controller = new AbortController()
    const finished: FinishedRun[] = []
    const { events } = jobOf([])
    const job = jobOf([task('backup', code, code, code, 0)], {
      once: false,
      signal: controller.signal,
      events: {
        ...events,
        finished: (run) => {
          finished.push(run)
          if (finished.length === 3) setTimeout(() => controller.abort(), 100)
        },
      },
    })
    await writeState(stateDir, { 'prod/backup': { ...newTaskState(new Date(0)) } })
    await runSchedule(job)
    expect(finished.map(({ outcome }) => outcome.exitCode)).toEqual([code, code, code])
    expect(await stateOf('backup')).toMatchObject({ attempts: 0, retryAt: null, runs: 3, failures: 3 })
  },
)

test('what can only fail again waits for its next slot', async () => {
  const runs = await runSchedule(jobOf([task('backup', 13)]))
  expect(runs).toMatchObject([{ outcome: { exitCode: 13 }, complete: true }])
  expect(await runSchedule(jobOf([task('backup')]))).toEqual([])
})

test('a task that has killed the process three times is given up until its next slot', async () => {
  const running = { slot: '2026-01-01T00:00:00.000Z', started: '2026-01-01T00:00:00.000Z' }
  const begun = { ...newTaskState(new Date(0)), running }
  await writeState(stateDir, { 'prod/backup': { ...begun, attempts: 1 } })
  expect(await runSchedule(jobOf([task('backup')]))).toHaveLength(1)
  await writeState(stateDir, { 'prod/backup': { ...begun, attempts: 2 } })
  expect(await runSchedule(jobOf([task('backup')]))).toEqual([])
  expect(warnings).toEqual(['RUN_KILLED', 'RUN_KILLED'])
})

test('a damaged state is told, and nothing runs twice for it', async () => {
  await writeFile(path.join(stateDir, 'schedule.json'), '{"tasks": {"prod/backup": {"ba')
  const controller = new AbortController()
  setTimeout(() => controller.abort(), 100)
  const never = { ...task('backup'), run: () => Promise.reject(new Error('it has run')) }
  expect(await runSchedule(jobOf([never], { once: false, signal: controller.signal }))).toEqual([])
  expect(warnings).toEqual(['SCHEDULE_STATE'])
})
