import path from 'node:path'

import { catalogue } from '../config/catalogue.js'
import { isCloud } from '../config/cloud.js'
import { OpsError } from '../core/errors.js'
import { ExitCode } from '../core/exit-code.js'
import { seriesFor } from './backup-target.js'
import { completeCommand } from './complete-commands.js'
import type { CommandContext } from './context.js'
import type { Degradations } from './degradations.js'
import { isStoreFailure } from './spool.js'
import { targetDirectory } from './target.js'

/** The tag of a backup that was made from the files of a server that did not answer. */
export const SERVER_AWAY_TAG = 'degraded=server-away'

/** The data directory of the server to be backed up; null when it is not about a server, or none is named. */
export function fallbackFor(context: CommandContext): string | null {
  const { settings, host } = context
  const directory = settings.value(catalogue.fallbackPath)
  if (directory === null || isCloud(settings) || targetDirectory(context) !== null) return null
  return path.resolve(host.cwd, directory)
}

export interface ServerAway {
  readonly error: unknown
  readonly fallback: string
  readonly degraded: Degradations
  readonly flags: { readonly series?: string; readonly tag?: readonly string[] }
}

/**
 * Throws the error again unless it says that the server is away; else tells that, and what its backup is called: it
 * belongs to the series of the server, with a tag that says how it was made.
 */
export function tellServerAway(
  context: CommandContext,
  { error, fallback, degraded, flags }: ServerAway,
): { readonly series: string; readonly tag: readonly string[] } {
  const isAway =
    error instanceof OpsError && error.exitCode === ExitCode.unreachable && !isStoreFailure(error)
  if (!isAway || context.signal.aborted) throw error
  const url = context.settings.value(catalogue.url) ?? ''
  const again = completeCommand('chroma-ops backup', context.settings)
  degraded.add({
    code: 'SERVER_AWAY',
    message: `the server does not answer (${error.message}); this is a backup of the files in ${fallback}`,
    recover: `start the server, then run "${again}"`,
  })
  return { series: seriesFor(context, flags.series, url), tag: [...(flags.tag ?? []), SERVER_AWAY_TAG] }
}
