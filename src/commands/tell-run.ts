import { OpsError } from '../core/errors.js'
import type { MigrationJob } from '../migrations/run/migration-job.js'
import type { RunResult } from '../migrations/run/result.js'
import { withAudit } from './audit.js'
import type { CommandContext } from './context.js'
import { describeRun, type ToldRun } from './describe-migration-run.js'
import type { MigrateHints } from './migrate-hints.js'

export interface Told {
  readonly context: CommandContext
  readonly job: MigrationJob
  readonly hints: MigrateHints
  readonly dryRun: boolean
}

/**
 * Does what changes a database by migrations, records who did it, and tells it. What was done is told also when it
 * failed on the way: with `--json` the document then has an `error` beside the rest.
 */
export async function runAndTell(told: Told, action: RunResult['action'], work: () => Promise<RunResult>) {
  const { context, job, dryRun } = told
  if (dryRun) {
    tell(told, await work())
    return
  }
  job.api.transport.useBatchRetries()
  const { displayUrl: target } = job.api.transport
  const { tenant, database, directory } = job
  const details = { target, tenant, database, directory }
  const audited = { repository: null, command: `migrate ${action}`, details }
  tell(told, await withAudit(context, audited, work, (result) => auditResult(told, result)))
}

function tell(told: Told, result: RunResult): void {
  const { context, job, hints, dryRun } = told
  const { output } = context
  const { action, runId, from, to, migrations, warnings } = result
  const { tenant, database } = job
  const run: ToldRun = {
    action,
    dryRun,
    runId,
    displayUrl: job.api.transport.displayUrl,
    tenant,
    database,
    from,
    to,
    warnings,
    migrations: migrations.map((migration) => ({
      ...migration,
      error: migration.error && { ...migration.error, hint: hinted(hints, migration.error.hint) },
    })),
  }
  const error = failureOf(told, result)
  if (error === null) output.result(run, (shown, style) => describeRun(shown, style))
  else if (output.json) {
    const { code, message, hint = null, exitCode } = error
    output.result({ ...run, error: { code, message, hint, exitCode } }, () => '')
    context.finish(exitCode)
  } else {
    const stopped = context.signal.aborted
    if (migrations.length > 0) output.result(run, (shown, style) => describeRun(shown, style, { stopped }))
    if (stopped) output.note(`what was done is recorded; go on with: ${hints.command(nextAfterStop(result))}`)
    throw error
  }
}

/** `up` does not finish what goes back. */
function nextAfterStop({ action, migrations }: RunResult): string {
  if (action === 'abort') return 'migrate abort'
  const begun = migrations.find(({ status }) => status === 'error')
  return begun?.direction === 'down' ? 'migrate resume' : 'migrate up'
}

/** Why the run was stopped says more than what that broke in passing. */
function failureOf({ context, hints }: Told, { error }: RunResult): OpsError | null {
  if (error === null) return null
  const reason: unknown = context.signal.aborted ? context.signal.reason : null
  return reason instanceof OpsError ? reason : hints.error(error)
}

function hinted(hints: MigrateHints, hint: string | null): string | null {
  return hint === null ? null : hints.text(hint)
}

function auditResult(told: Told, result: RunResult): Readonly<Record<string, unknown>> {
  const { runId, from, to, migrations } = result
  const versions = migrations
    .filter(({ status }) => status === 'success' || status === 'error')
    .map(({ version }) => version)
  const error = failureOf(told, result)
  const outcome =
    error === null
      ? {}
      : { outcome: 'failed', code: error.code, exitCode: error.exitCode, message: error.message }
  return { migrationRun: runId, from, to, versions, ...outcome }
}
