import { randomUUID } from 'node:crypto'
import { open, readFile, rename, rm } from 'node:fs/promises'
import path from 'node:path'

import { asError, isErrno, OpsError } from '../core/errors.js'

/** What is remembered of one task. Times are ISO 8601. */
export interface TaskState {
  /** Slots up to here are over; when the task is new, when it was first seen. */
  readonly base: string
  /** A run that has begun and, as far as the file knows, has not ended; null: none. */
  readonly running: { readonly slot: string; readonly started: string } | null
  /** Runs of the present slot that were killed or may be tried again. */
  readonly attempts: number
  /** Not before; null: at the slot. */
  readonly retryAt: string | null
  readonly lastStarted: string | null
  readonly lastFinished: string | null
  readonly lastSuccess: string | null
  readonly lastExitCode: number | null
  readonly lastDurationMs: number | null
  readonly runs: number
  readonly failures: number
  readonly hookFailures: number
  /** Figures of the last backup, for metrics. */
  readonly figures: Readonly<Record<string, number>>
  /** Which part of a rolling verification is next. */
  readonly part: number
}

export type ScheduleState = Readonly<Record<string, TaskState>>

/** The state of the schedule could not be written: without it a missed run would not be noticed. */
export class ScheduleStateError extends OpsError {
  override readonly code = 'SCHEDULE_STATE'
}

export function newTaskState(now: Date): TaskState {
  return {
    base: now.toISOString(),
    running: null,
    attempts: 0,
    retryAt: null,
    lastStarted: null,
    lastFinished: null,
    lastSuccess: null,
    lastExitCode: null,
    lastDurationMs: null,
    runs: 0,
    failures: 0,
    hookFailures: 0,
    figures: {},
    part: 0,
  }
}

/** Empty when there is none; `null` when it is damaged. */
export async function readState(folder: string): Promise<ScheduleState | null> {
  try {
    const document: unknown = JSON.parse(await readFile(fileIn(folder), 'utf8'))
    if (typeof document !== 'object' || document === null || !('tasks' in document)) return null
    if (typeof document.tasks !== 'object' || document.tasks === null) return null
    const tasks: Record<string, TaskState> = {}
    for (const [key, value] of Object.entries(document.tasks)) {
      const state = taskStateOf(value)
      if (state === null) return null
      tasks[key] = state
    }
    return tasks
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return {}
    if (asError(error).name === 'SyntaxError') return null
    throw new ScheduleStateError(`the state of the schedule cannot be read: ${asError(error).message}`, {
      cause: error,
    })
  }
}

/** Durable, and never half written. Rejects with a {@link ScheduleStateError}. */
export async function writeState(folder: string, tasks: ScheduleState): Promise<void> {
  const file = fileIn(folder)
  const draft = `${file}.${randomUUID()}`
  try {
    const handle = await open(draft, 'w', 0o600)
    try {
      await handle.writeFile(`${JSON.stringify({ version: 1, tasks }, null, 2)}\n`)
      await handle.sync()
    } finally {
      await handle.close()
    }
    await rename(draft, file)
  } catch (error) {
    await rm(draft, { force: true })
    throw new ScheduleStateError(`the state of the schedule cannot be written: ${asError(error).message}`, {
      hint: `free space in ${folder}, or name another folder with --state-dir`,
      cause: error,
    })
  }
}

function fileIn(folder: string): string {
  return path.join(folder, 'schedule.json')
}

function taskStateOf(value: unknown): TaskState | null {
  if (typeof value !== 'object' || value === null) return null
  const found = new Map<string, unknown>(Object.entries(value))
  const time = (name: string) => {
    const text = found.get(name)
    return typeof text === 'string' && !Number.isNaN(Date.parse(text)) ? text : null
  }
  const count = (name: string) => {
    const number = found.get(name)
    return typeof number === 'number' ? number : null
  }
  const base = time('base')
  if (base === null) return null
  return {
    base,
    running: runningOf(found.get('running')),
    attempts: count('attempts') ?? 0,
    retryAt: time('retryAt'),
    lastStarted: time('lastStarted'),
    lastFinished: time('lastFinished'),
    lastSuccess: time('lastSuccess'),
    lastExitCode: count('lastExitCode'),
    lastDurationMs: count('lastDurationMs'),
    runs: count('runs') ?? 0,
    failures: count('failures') ?? 0,
    hookFailures: count('hookFailures') ?? 0,
    figures: figuresOf(found.get('figures')),
    part: count('part') ?? 0,
  }
}

function runningOf(value: unknown): TaskState['running'] {
  if (typeof value !== 'object' || value === null || !('slot' in value) || !('started' in value)) return null
  const { slot, started } = value
  return typeof slot === 'string' && typeof started === 'string' ? { slot, started } : null
}

function figuresOf(value: unknown): TaskState['figures'] {
  if (typeof value !== 'object' || value === null) return {}
  return Object.fromEntries(
    Object.entries(value).filter((pair): pair is [string, number] => typeof pair[1] === 'number'),
  )
}
