import path from 'node:path'

import { UsageError } from '../core/errors.js'
import type { CommandContext } from './context.js'
import { targetDirectory } from './target.js'

/** The data directory that a command is about; throws a UsageError when none is named. */
export function namedDirectory(context: CommandContext): string {
  const directory = targetDirectory(context)
  if (directory !== null) return directory
  throw new UsageError('no data directory is named', {
    hint: 'name the one that holds chroma.sqlite3 with --path',
  })
}

/** The same, made sure to be a directory; rejects with NotADataDirectoryError (10). */
export async function existingDirectory(context: CommandContext): Promise<string> {
  const directory = namedDirectory(context)
  const { realDirectory } = await import('../datadir/file-system.js')
  await realDirectory(directory)
  return directory
}

/** `--quarantine-dir`, else the folder in the data directory. */
export async function quarantineOf(
  { host }: CommandContext,
  directory: string,
  named: string | undefined,
): Promise<string> {
  const { defaultQuarantine } = await import('../cleanup/run-record.js')
  return named === undefined ? defaultQuarantine(directory) : path.resolve(host.cwd, named)
}

/** Where SQLite keeps temporary files: https://sqlite.org/tempfiles.html#temporary_file_storage_locations */
export function sqliteTempDir({ host }: CommandContext): string {
  const { SQLITE_TMPDIR, TMPDIR } = host.environment
  return SQLITE_TMPDIR ?? TMPDIR ?? '/var/tmp'
}
