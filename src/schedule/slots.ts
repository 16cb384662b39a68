import { createHash } from 'node:crypto'

import { Cron } from 'croner'

import { asError, UsageError } from '../core/errors.js'
import { taskKey, type ScheduledTask } from './task.js'

/** Throws a {@link UsageError} for a cron expression or a time zone that is none, or that never comes. */
export function checkPattern({ pattern, timezone }: Pick<ScheduledTask, 'pattern' | 'timezone'>): void {
  const next = cronOf(pattern, timezone).nextRun(new Date())
  if (next === null) throw new UsageError(`the schedule "${pattern}" never comes`)
}

/**
 * The slot to run next: the newest that has come since `base`, for what was missed is made up for once; else the first
 * to come. Daylight saving is croner's affair: a slot in the hour that is left out runs after it, one in the hour that
 * comes twice runs once.
 */
export function nextSlot(
  { pattern, timezone }: Pick<ScheduledTask, 'pattern' | 'timezone'>,
  base: Date,
  now: Date,
): Date {
  const cron = cronOf(pattern, timezone)
  // One millisecond on, for a slot that is just now has come.
  const [latest] = cron.previousRuns(1, new Date(now.getTime() + 1))
  if (latest !== undefined && latest > base && latest <= now) return latest
  const next = cron.nextRun(now > base ? now : base)
  if (next === null) throw new UsageError(`the schedule "${pattern}" does not come any more`)
  return next
}

/** The same for one host, task and slot, so that a restart changes nothing; spread over many hosts. */
export function jitterOf(
  task: Pick<ScheduledTask, 'profile' | 'kind' | 'jitterMs'>,
  slot: Date,
  host: string,
): number {
  if (task.jitterMs === 0) return 0
  const digest = createHash('sha256')
    .update(`${host}\0${taskKey(task)}\0${slot.toISOString()}`)
    .digest()
  return Math.floor((digest.readUInt32BE(0) / 2 ** 32) * task.jitterMs)
}

function cronOf(pattern: string, timezone: string): Cron {
  try {
    const cron = new Cron(pattern, { timezone, paused: true })
    // croner would notice an unknown time zone only later.
    Intl.DateTimeFormat('en', { timeZone: timezone })
    return cron
  } catch (error) {
    throw new UsageError(`the schedule "${pattern}" (${timezone}) is not valid: ${asError(error).message}`, {
      hint: 'five fields, as cron reads them: "0 2 * * *" is each day at 2:00; a time zone such as Europe/Berlin',
      cause: error,
    })
  }
}
