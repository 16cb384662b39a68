import { totalmem } from 'node:os'
import path from 'node:path'

import { catalogue } from '../config/catalogue.js'
import type { CollectionSelection } from '../core/collection-pattern.js'
import type { DirectoryHealthJob } from '../health/offline/check-directory.js'
import type { HealthLevel } from '../health/report.js'
import { cacheFolder } from './cache-folder.js'
import type { CommandContext } from './context.js'
import { lastBackup } from './last-backup.js'

/** The data directory that the settings name, as an absolute path. With a server too, both are looked at. */
export function healthDirectory({ settings, host }: CommandContext): string | null {
  const directory = settings.value(catalogue.dataPath)
  if (directory === null) return null
  const isFlag = settings.source(catalogue.dataPath).from === 'flag'
  const serverIsFlag = settings.source(catalogue.url).from === 'flag'
  // A server on the command line counts more than a directory in the configuration.
  return serverIsFlag && !isFlag ? null : path.resolve(host.cwd, directory)
}

export async function directoryHealthJob(
  context: CommandContext,
  flags: {
    readonly directory: string
    readonly level: HealthLevel
    readonly selection: CollectionSelection
    readonly upgradeTo: string | undefined
  },
): Promise<DirectoryHealthJob> {
  const { settings, host } = context
  const tempDir = await context.tempDir()
  const { environment } = host
  const { directory, upgradeTo } = flags
  const hasServer = settings.source(catalogue.url).from === 'flag'
  return {
    path: directory,
    level: flags.level,
    selection: flags.selection,
    tempDir,
    sqliteTempDir: environment['SQLITE_TMPDIR'] ?? environment['TMPDIR'] ?? '/var/tmp',
    memoryBytes: Math.min(totalmem(), process.constrainedMemory() || Infinity),
    ...(hasServer && { server: await context.serverOptions() }),
    ...(settings.value(catalogue.repo) !== null && { lastBackup: () => lastBackup(context, directory) }),
    ...(upgradeTo !== undefined && { upgradeTo, cacheDir: await cacheFolder(context, tempDir) }),
    now: () => host.now(),
    progress: context.output,
    signal: context.signal,
  }
}
