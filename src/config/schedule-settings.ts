import { list, value, valueOr } from './setting.js'
import { booleanOf, durationOf, nonEmpty, oneOf, shareOf } from './values.js'

/** What `schedule run` does, and when. Only in the configuration file: a schedule is nothing for one command line. */
export const scheduleSettings = {
  scheduleTimezone: valueOr('UTC', nonEmpty, {
    key: 'schedule.timezone',
    description: 'in which the cron expressions are read: Europe/Berlin (default: UTC)',
  }),
  scheduleJitter: valueOr('0', durationOf, {
    key: 'schedule.jitter',
    description: 'each task begins up to so much later, so that not all hosts begin at once (default: 0)',
  }),
  scheduleRetryAfter: valueOr('10m', durationOf, {
    key: 'schedule.retry_after',
    description:
      'when a task that found something locked or unreachable is tried again, twice (default: 10m)',
  }),
  backupEnabled: valueOr('true', booleanOf, {
    key: 'backup.enabled',
    description: 'whether the schedule makes backups (default: true)',
  }),
  backupSchedule: valueOr('0 2 * * *', nonEmpty, {
    key: 'backup.schedule',
    description: 'a cron expression (default: 0 2 * * *)',
  }),
  backupType: value(oneOf('auto', 'full', 'incremental', 'physical'), {
    key: 'backup.type',
    description: 'as --type of backup (default: auto)',
  }),
  verifyEnabled: valueOr('true', booleanOf, {
    key: 'verify.enabled',
    description: 'whether the schedule verifies backups (default: true)',
  }),
  verifySchedule: valueOr('0 4 * * *', nonEmpty, {
    key: 'verify.schedule',
    description: 'a cron expression (default: 0 4 * * *)',
  }),
  verifySample: valueOr('15%', shareOf, {
    key: 'verify.sample',
    description: 'the share of the last backup that is read, 100% now and then (default: 15%)',
  }),
  drillEnabled: valueOr('false', booleanOf, {
    key: 'drill.enabled',
    description: 'whether the schedule restores the last backup for trial (default: false)',
  }),
  drillSchedule: valueOr('0 5 * * 0', nonEmpty, {
    key: 'drill.schedule',
    description: 'a cron expression (default: 0 5 * * 0)',
  }),
  pruneEnabled: value(booleanOf, {
    key: 'prune.enabled',
    description: 'whether the schedule removes backups (default: when a rule of retention is given)',
  }),
  pruneSchedule: valueOr('0 6 * * *', nonEmpty, {
    key: 'prune.schedule',
    description: 'a cron expression (default: 0 6 * * *)',
  }),
  hookSuccess: list({
    key: 'hooks.success',
    description: 'a program and its arguments, run after each task that ends well',
  }),
  hookFailure: list({
    key: 'hooks.failure',
    description: 'the same after each task that does not',
  }),
  hookTimeout: valueOr('1m', durationOf, {
    key: 'hooks.timeout',
    description: 'after which a hook is killed (default: 1m)',
  }),
}
