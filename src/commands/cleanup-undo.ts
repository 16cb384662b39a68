import { Command } from 'commander'

import type { UndoResult } from '../cleanup/undo.js'
import { ExitCode } from '../core/exit-code.js'
import { duration, plural } from '../output/format.js'
import type { Style } from '../output/style.js'
import { withAudit } from './audit.js'
import { namedDirectory, quarantineOf } from './cleanup-target.js'
import { act } from './command.js'
import type { Launcher } from './context.js'

interface Flags {
  readonly quarantineDir?: string
  readonly serverStopped?: boolean
}

export function cleanupUndoCommand(launcher: Launcher): Command {
  const command = new Command('undo')
    .description('put back what a cleanup put into quarantine')
    .argument('[run]', 'of "cleanup quarantine list" (default: the newest)')
    .option('--quarantine-dir <folder>', 'the quarantine (default: .chroma-ops/quarantine in the directory)')
    .option('--server-stopped', 'no server runs on the directory, though that cannot be seen')
  return act(command, launcher, async (context, run) => {
    const flags = command.opts<Flags>()
    const directory = namedDirectory(context)
    context.changes('cleanup undo')
    const quarantine = await quarantineOf(context, directory, flags.quarantineDir)
    const { undoCleanup } = await import('../cleanup/undo.js')
    const job = {
      directory,
      quarantine,
      run,
      serverStopped: flags.serverStopped === true,
      signal: context.signal,
    }
    const audited = { repository: null, command: 'cleanup undo', details: { directory, run: run ?? null } }
    const result = await withAudit(
      context,
      audited,
      () => undoCleanup(job),
      (undone) => ({ ...undone }),
    )
    if (result.errors.length > 0) context.finish(ExitCode.findings)
    context.output.result(result, describeUndo)
  })
}

function describeUndo(
  { run, directory, directories, rows, database, errors, durationMs }: UndoResult,
  style: Style,
) {
  const many = directories === 1 ? '1 directory' : `${directories} directories`
  const data = database ? 'the database file as it was' : plural(rows, 'row')
  return [
    `${style.bold(run)} is undone: ${many} and ${data} are back in ${directory} (${duration(durationMs)})`,
    ...errors.map(({ message }) => `${style.warning('not put back')}: ${message}`),
  ].join('\n')
}
