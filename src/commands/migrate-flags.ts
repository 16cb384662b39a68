import type { Command } from 'commander'

import { waitOf } from '../config/migration-settings.js'
import { UsageError } from '../core/errors.js'
import { wholeNumber } from '../config/values.js'
import { DIR_FLAG } from './migrations-folder.js'
import { parsed } from './parse.js'

/** Flags of every command that looks at a database and the files. */
export interface MigrateFlags {
  readonly dir?: string
  readonly env?: string
}

/** Flags of those that take the lock. */
export interface LockFlags extends MigrateFlags {
  readonly lockWait?: number
}

export function addMigrateFlags(command: Command): Command {
  return command
    .option(...DIR_FLAG)
    .option('--env <name>', 'what the database is: staging, production (stamped on it by the first run)')
}

export function addLockFlags(command: Command): Command {
  return addMigrateFlags(command).addOption(
    parsed('--lock-wait <duration>', 'how long another run is waited for: 0, 5m, inf (default: 2m)', waitOf),
  )
}

const COUNT = wholeNumber(1, 99_999)

/** `[n]` of a command line; null when it was not given. */
export function countOf(word: string | undefined): number | null {
  return word === undefined ? null : COUNT(word)
}

/** A version as it was written: `7` and `00007` are the same. */
export function versionOf(text: string): string {
  if (!/^\d{1,10}$/.test(text))
    throw new UsageError(`"${text}" is not the version of a migration`, { hint: 'for example 00007' })
  return text.padStart(5, '0')
}
