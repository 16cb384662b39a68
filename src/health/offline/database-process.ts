import path from 'node:path'

import { DATABASE_FILE, openDataDirectory } from '../../datadir/data-directory.js'
import { DatabaseBusyError } from '../../datadir/errors.js'
import type { HealthLevel } from '../report.js'
import type { Observation } from './catalogue.js'
import { checkDatabase, type CheckedDatabase } from './check-database.js'
import { readAhead } from './read-ahead.js'
import { readable } from './unreadable.js'

/** What is to be checked, as a message between processes. */
export interface DatabaseRequest {
  readonly directory: string
  readonly level: HealthLevel
  readonly held: boolean
}

/** What came of it: also errors are values, for a class does not survive the way. */
export type DatabaseAnswer =
  | { readonly type: 'checked'; readonly checked: CheckedDatabase | Observation }
  | { readonly type: 'busy' }
  | { readonly type: 'bug'; readonly text: string }

/** Runs in the process that `bin/check-database.js` is. Never rejects. */
export async function answer({ directory, level, held }: DatabaseRequest): Promise<DatabaseAnswer> {
  try {
    const checked = await readable(async () => {
      const opened = await openDataDirectory(directory)
      readAhead(path.join(directory, DATABASE_FILE))
      try {
        const names = new Map(
          opened
            .collections()
            .map(({ id, tenant, database, name }) => [id, { tenant, database, name }] as const),
        )
        const nameOf = (id: string) => names.get(id) ?? null
        return await checkDatabase({ directory: opened, level, held, nameOf, signal: undefined })
      } finally {
        opened.close()
      }
    })
    return { type: 'checked', checked }
  } catch (error) {
    if (error instanceof DatabaseBusyError) return { type: 'busy' }
    return { type: 'bug', text: error instanceof Error ? (error.stack ?? error.message) : String(error) }
  }
}
