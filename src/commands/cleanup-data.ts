import path from 'node:path'

import { Argument, Command } from 'commander'

import type { ApplyJob } from '../cleanup/apply.js'
import type { CleanupResult, CleanupTarget } from '../cleanup/report.js'
import { OpsError, UsageError } from '../core/errors.js'
import { ExitCode } from '../core/exit-code.js'
import { withAudit } from './audit.js'
import { namedDirectory, quarantineOf, sqliteTempDir } from './cleanup-target.js'
import { act } from './command.js'
import type { CommandContext, Launcher } from './context.js'
import { UnknownWordError } from './errors.js'
import { shellWord } from '../core/shell-word.js'
import { requireBackupOf } from './require-backup.js'

interface Flags {
  readonly apply?: boolean
  readonly via?: string
  /** False with `--no-quarantine`. */
  readonly quarantine: boolean
  readonly quarantineDir?: string
  readonly serverStopped?: boolean
  readonly keepDatabase?: boolean
  readonly allowEmpty?: boolean
}

const TARGETS = ['orphans', 'wal', 'fts', 'vacuum'] as const

export function cleanupDataCommand(launcher: Launcher): Command {
  // The words are checked below, where a suggestion can be made.
  const targets = new Argument('[targets...]', 'what to clean')
    .choices([...TARGETS])
    .default([], 'all of them')
    .argParser<readonly string[]>((word, words) => [...words, word])
  const command = new Command('data')
    .description('plan, or with --apply do, the cleaning of a data directory (default)')
    .addArgument(targets)
    .option('--apply', 'do it; what is removed goes into the quarantine, from where "cleanup undo" takes it')
    .option('--server-stopped', 'no server runs on the directory, though that cannot be seen')
    .option('--via <folder>', 'vacuum: write the new database into a folder of another file system first')
    .option('--quarantine-dir <folder>', 'the quarantine (default: .chroma-ops/quarantine in the directory)')
    .option('--no-quarantine', 'remove for good; needs --repo with a backup of the data, which is verified')
    .option('--keep-database', 'keep a copy of chroma.sqlite3 too: undoing gives its very bytes back')
    .option('--allow-empty', 'clean a directory in which no collection is alive')
  return act(command, launcher, async (context, ...words) => {
    await cleanup(context, command.opts<Flags>(), targetsOf(words))
  })
}

function targetsOf(words: readonly (string | undefined)[]): readonly CleanupTarget[] {
  const chosen = words
    .filter((word) => word !== undefined)
    .map((word) => {
      const target = TARGETS.find((known) => known === word)
      if (target === undefined)
        throw new UnknownWordError(word, 'cleanup', [...TARGETS, 'undo', 'quarantine', 'runs'])
      return target
    })
  return chosen.length === 0 ? TARGETS : chosen
}

async function cleanup(
  context: CommandContext,
  flags: Flags,
  targets: readonly CleanupTarget[],
): Promise<void> {
  const job = await jobOf(context, flags, targets)
  const [{ applyCleanup, planOf }, { describeCleanup, describeCleanupPlan }] = await Promise.all([
    import('../cleanup/apply.js'),
    import('./describe-cleanup.js'),
  ])
  if (flags.apply !== true) {
    const plan = await planOf(job)
    context.output.result({ applied: false, ...plan }, describeCleanupPlan)
    return
  }
  context.changes('cleanup')
  const { directory, quarantine } = job
  const audited = { repository: null, command: 'cleanup', details: { directory, targets, quarantine } }
  const result = await withAudit(context, audited, () => applyCleanup(job), auditResult).catch(
    async (error: unknown) => {
      throw await withWayOut(error, targets, directory)
    },
  )
  if (result.errors.length > 0) context.finish(ExitCode.findings)
  context.output.result({ applied: true, ...result }, (done, style) =>
    describeCleanup(done, style, undoCommand(result, flags)),
  )
}

/** What may be done while a server runs. */
const WHILE_IT_RUNS: readonly CleanupTarget[] = ['orphans', 'wal']

/** A refusal because of a server, with what can be done in the meantime. */
async function withWayOut(
  error: unknown,
  targets: readonly CleanupTarget[],
  directory: string,
): Promise<unknown> {
  const safe = WHILE_IT_RUNS.filter((target) => targets.includes(target))
  if (!(error instanceof OpsError) || error.hint === undefined || safe.length === 0) return error
  const { DirectoryHeldError, HolderUnknownError } = await import('../datadir/holder.js')
  const words = `chroma-ops cleanup ${safe.join(' ')} --path ${shellWord(directory)} --apply`
  const options = { cause: error, hint: `${error.hint}; this may be done while it runs: ${words}` }
  if (error instanceof DirectoryHeldError) return new DirectoryHeldError(error.message, options)
  return error instanceof HolderUnknownError ? new HolderUnknownError(error.message, options) : error
}

/** What takes a cleanup back, as it can be typed; null when there is nothing to take back. */
function undoCommand(
  { run, directory, removed }: CleanupResult,
  { quarantineDir, serverStopped, keepDatabase }: Flags,
): string | null {
  if (run === null) return null
  const words = ['chroma-ops', 'cleanup', 'undo', run, '--path', shellWord(directory)]
  if (quarantineDir !== undefined) words.push('--quarantine-dir', shellWord(quarantineDir))
  const needsStop = keepDatabase === true || removed.some(({ target }) => target === 'fts')
  if (serverStopped === true && needsStop) words.push('--server-stopped')
  return words.join(' ')
}

async function jobOf(
  context: CommandContext,
  flags: Flags,
  targets: readonly CleanupTarget[],
): Promise<ApplyJob> {
  const { host, signal } = context
  const directory = namedDirectory(context)
  if (!flags.quarantine && flags.quarantineDir !== undefined)
    throw new UsageError('--no-quarantine and --quarantine-dir exclude each other')
  if (!flags.quarantine && flags.keepDatabase === true)
    throw new UsageError('--no-quarantine and --keep-database exclude each other')
  if (flags.via !== undefined && !targets.includes('vacuum'))
    throw new UsageError('--via is for vacuum, which is not among the targets')
  return {
    directory,
    targets,
    quarantine: flags.quarantine ? await quarantineOf(context, directory, flags.quarantineDir) : null,
    sqliteTempDir: sqliteTempDir(context),
    via: flags.via === undefined ? null : path.resolve(host.cwd, flags.via),
    serverStopped: flags.serverStopped === true,
    allowEmpty: flags.allowEmpty === true,
    keepDatabase: flags.keepDatabase === true,
    requireBackup: (collections) => requireBackupOf(context, collections),
    now: host.now,
    signal,
  }
}

function auditResult({
  run,
  removed,
  freedBytes,
  quarantinedBytes,
  errors,
}: {
  readonly run: string | null
  readonly removed: readonly object[]
  readonly freedBytes: number
  readonly quarantinedBytes: number
  readonly errors: readonly object[]
}) {
  return { run, removed, freedBytes, quarantinedBytes, errors }
}
