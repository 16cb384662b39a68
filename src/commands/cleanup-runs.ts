import { Command } from 'commander'

import type { Leftover, LeftoverPlace, RunsResult } from '../cleanup/runs/leftover.js'
import { catalogue } from '../config/catalogue.js'
import { durationOf } from '../config/values.js'
import { UsageError } from '../core/errors.js'
import { ExitCode } from '../core/exit-code.js'
import { bytes, duration, plural } from '../output/format.js'
import type { Style } from '../output/style.js'
import { withAudit } from './audit.js'
import { act } from './command.js'
import type { CommandContext, Launcher } from './context.js'
import { parsed } from './parse.js'
import { targetDirectory } from './target.js'

interface Flags {
  readonly olderThan: number
  readonly watchFor: number
  readonly apply?: boolean
}

export function cleanupRunsCommand(launcher: Launcher): Command {
  const command = new Command('runs')
    .description(
      'remove what killed runs of chroma-ops left: in --repo, --path, --url and the temporary folder',
    )
    .addOption(
      parsed('--older-than <duration>', 'without a sign of life for so long', durationOf).default(
        86_400_000,
        '1d',
      ),
    )
    .addOption(
      parsed(
        '--watch-for <duration>',
        'with --url: a collection that grows meanwhile is alive',
        durationOf,
      ).default(30_000, '30s'),
    )
    .option('--apply', 'remove it; there is no way back')
  return act(command, launcher, async (context) => {
    await runs(context, command.opts<Flags>())
  })
}

async function runs(context: CommandContext, flags: Flags): Promise<void> {
  const { apply = false } = flags
  const { signal, output } = context
  if (apply) context.changes('cleanup runs')
  const { cleanRuns } = await import('../cleanup/runs/clean-runs.js')
  const places = await placesOf(context, flags)
  const work = () => cleanRuns({ places, apply, signal })
  const audited = { repository: null, command: 'cleanup runs', details: {} }
  const result = apply
    ? await withAudit(context, audited, work, ({ removed }) => ({ removed: removed.map(({ name }) => name) }))
    : await work()
  if (result.errors.length > 0) context.finish(ExitCode.findings)
  output.result(result, describeRuns)
}

async function placesOf(
  context: CommandContext,
  { olderThan, watchFor }: Flags,
): Promise<readonly LeftoverPlace[]> {
  // Temporary files of a run that is alive can go untouched for a while too.
  if (olderThan < LEAST_SILENCE)
    throw new UsageError(
      '--older-than must be 10m or more: what is younger may belong to a run that is alive',
    )
  const { settings, host } = context
  const files = await import('../cleanup/runs/dead-files.js')
  const common = { silentMs: olderThan, now: host.now }
  const places: LeftoverPlace[] = []
  if (settings.value(catalogue.repo) !== null) places.push(...(await repositoryPlaces(context, olderThan)))
  const directory = targetDirectory(context)
  if (directory !== null) {
    const [{ OWN_FOLDER }, { realDirectory }] = await Promise.all([
      import('../datadir/own-folder.js'),
      import('../datadir/file-system.js'),
    ])
    await realDirectory(directory)
    places.push(
      files.deadFiles({
        ...common,
        folder: `${directory}/${OWN_FOLDER}`,
        isOurs: files.isUnfinishedVacuum,
        deep: false,
      }),
    )
  } else if (settings.value(catalogue.url) !== null || settings.value(catalogue.cloud)) {
    const [{ deadShadows }, { migrationLeftovers }] = await Promise.all([
      import('../cleanup/runs/dead-shadows.js'),
      import('../cleanup/runs/migration-leftovers.js'),
    ])
    const { tenants, databases = null } = await context.scope()
    const scope = { api: await context.openServer(), tenants, databases }
    places.push(deadShadows({ ...scope, watchMs: watchFor }), migrationLeftovers({ ...scope, now: host.now }))
  }
  const folder = await context.tempDir()
  places.push(files.deadFiles({ ...common, folder, isOurs: files.isTemporary, deep: false }))
  return places
}

async function repositoryPlaces(
  context: CommandContext,
  silentMs: number,
): Promise<readonly LeftoverPlace[]> {
  const { openOwnRepository } = await import('./repository-command.js')
  const { deadSessions } = await import('../cleanup/runs/dead-sessions.js')
  const { deadFiles, isUnfinishedBlob } = await import('../cleanup/runs/dead-files.js')
  const { parseStoreUrl } = await import('../storage/store-url.js')
  const { store } = await openOwnRepository(context)
  const location = parseStoreUrl(context.settings.value(catalogue.repo) ?? '')
  const sessions = deadSessions(store, silentMs)
  if (location.type !== 'local') return [sessions]
  const job = { folder: location.path, isOurs: isUnfinishedBlob, deep: true, silentMs, now: context.host.now }
  return [sessions, deadFiles(job)]
}

const LEAST_SILENCE = 600_000

function describeRuns(
  { applied, removed, leftAlone, freedBytes, errors, durationMs }: RunsResult,
  style: Style,
): string {
  if (removed.length === 0 && errors.length === 0 && leftAlone.length === 0)
    return 'nothing is left over from runs that were killed so long ago (--older-than)'
  const known = removed.reduce((sum, { bytes: size }) => sum + (size ?? 0), 0)
  return [
    ...removed.map(
      (leftover) => `${leftover.kind} ${style.bold(leftover.name)}: ${leftover.why}${sizeOf(leftover)}`,
    ),
    ...leftAlone.map(({ name, why, command }) => `left alone ${style.bold(name)}: ${why}; ${command}`),
    ...errors.map(({ message }) => `${style.bad('not removed')}: ${message}`),
    applied
      ? `${plural(removed.length, 'thing')} removed, ${bytes(freedBytes)} given back (${duration(durationMs)})`
      : `would remove ${plural(removed.length, 'thing')}, ${bytes(known)}; add --apply to do it`,
  ].join('\n')
}

function sizeOf({ bytes: size }: Leftover): string {
  return size === null ? '' : ` (${bytes(size)})`
}
