import type { RepositoryStatus } from '../backup/repository-status.js'
import { catalogue } from '../config/catalogue.js'
import type { Settings } from '../config/settings.js'
import { sleep } from '../core/abort.js'
import { asError, OpsError, throwIfAborted } from '../core/errors.js'
import { ExitCode } from '../core/exit-code.js'
import { shellWord } from '../core/shell-word.js'
import { statusOf, type HealthStatus } from '../health/report.js'
import { completeCommand } from './complete-commands.js'
import { openOwnRepository, shownHead } from './repository-command.js'
import type { Instance } from './profile-contexts.js'
import {
  backupFindings,
  healthFindings,
  type AgeLimits,
  type HealthOfInstance,
  type StatusFinding,
} from './status-findings.js'
import { targetDirectory } from './target.js'

/** One line of `status`. */
export interface InstanceStatus {
  readonly name: string
  readonly profile: string | null
  readonly target: string | null
  readonly status: HealthStatus
  /** Null: it was not looked at, because no target is named or the deadline came first. */
  readonly health: Omit<HealthOfInstance, 'findings'> | null
  readonly repository: string | null
  /** Null: the repository could not be read. */
  readonly backups: RepositoryStatus | null
  /** Ids of the backups that wait in the spool, the oldest first; null without a spool. */
  readonly spooled: readonly string[] | null
  readonly findings: readonly StatusFinding[]
}

export interface StatusJob {
  readonly limits: AgeLimits
  readonly deadlineMs: number
  readonly now: Date
}

class DeadlineError extends OpsError {
  override readonly code = 'DEADLINE'
  override readonly exitCode = ExitCode.timeout
}

/** Looks at one instance. Whatever is wrong with it is a finding; rejects only when the run is stopped. */
export async function instanceStatus(
  instance: Instance,
  job: StatusJob,
  stopped: AbortSignal,
): Promise<InstanceStatus> {
  const { name, profile, target } = instance
  const deadline = new DeadlineError(`no answer within ${job.deadlineMs / 1000} s`)
  const timer = setTimeout(() => {
    instance.stop(deadline)
  }, job.deadlineMs)
  const part = <T>(id: string, work: () => Promise<T>) => attempt(id, work, job.deadlineMs, stopped)
  try {
    const [health, backups, spool] = await Promise.all([
      part('HEALTH_UNKNOWN', () => healthOf(instance, job)),
      part('REPOSITORY_UNREADABLE', () => backupsOf(instance)),
      part('SPOOL_UNREADABLE', () => spooledOf(instance)),
    ])
    const { settings } = instance.context
    const findings: StatusFinding[] = [
      ...health.findings,
      ...backups.findings,
      ...spool.findings,
      ...spoolFindings(spool.value, settings),
      ...(health.value == null ? [] : healthFindings(health.value)),
      ...(backups.value == null ? [] : backupFindings(backups.value.status, job.limits, job.now)),
    ]
    if (target === null) findings.push(missing('NO_TARGET', 'no server and no data directory is named'))
    if (settings.value(catalogue.repo) === null)
      findings.push(missing('NO_REPOSITORY', 'no repository is named, so that there are no backups'))
    return {
      name,
      profile,
      target,
      status: statusOf(findings),
      health: health.value && {
        status: health.value.status,
        reachable: health.value.reachable,
        heartbeatMs: health.value.heartbeatMs,
      },
      repository: backups.value?.repository ?? null,
      backups: backups.value?.status ?? null,
      spooled: spool.value?.ids ?? null,
      findings,
    }
  } finally {
    clearTimeout(timer)
  }
}

/** The status as JSON: manifests without the places of their objects. */
export function shownStatus({ backups, ...rest }: InstanceStatus): object {
  if (backups === null) return { ...rest, backups: null }
  const { lastBackup, newest, ...facts } = backups
  return {
    ...rest,
    backups: {
      ...facts,
      lastBackup: lastBackup === null ? null : shownHead(lastBackup),
      newest: newest === null ? null : shownHead(newest),
    },
  }
}

interface Spooled {
  /** As it is named with `--spool-dir`. */
  readonly folder: string
  readonly ids: readonly string[]
}

async function spooledOf({ context }: Instance): Promise<Spooled | null> {
  const folder = context.settings.value(catalogue.spoolDir)
  if (folder === null || context.settings.value(catalogue.repo) === null) return null
  const [{ ownSpool }, { spooledBackups }] = await Promise.all([
    import('./spool.js'),
    import('../backup/spool.js'),
  ])
  const spool = await ownSpool(context, await context.openRepositoryStore())
  return spool === null ? null : { folder, ids: await spooledBackups(spool, context.signal) }
}

function spoolFindings(spooled: Spooled | null, settings: Settings): readonly StatusFinding[] {
  if (spooled === null || spooled.ids.length === 0) return []
  const { folder, ids } = spooled
  const push = completeCommand(`chroma-ops repo push --spool-dir ${shellWord(folder)}`, settings)
  const waiting = ids.length === 1 ? `${ids[0]} waits` : `${ids.length} backups wait, since ${ids[0]},`
  return [
    missing(
      'SPOOL_WAITING',
      `${waiting} in ${folder}, on this machine only: when the store is back, ${push}`,
    ),
  ]
}

function missing(id: string, message: string): StatusFinding {
  return { id, severity: 'warning', message }
}

/** Something that does not even notice that it should stop must not hold up the others. */
async function attempt<T>(
  id: string,
  work: () => Promise<T>,
  deadlineMs: number,
  stopped: AbortSignal,
): Promise<{ value: T | null; findings: StatusFinding[] }> {
  const late = new AbortController()
  try {
    const silence = sleep(deadlineMs + 500, late.signal).then(() => {
      throw new DeadlineError(`no answer within ${deadlineMs / 1000} s`)
    })
    silence.catch(() => {})
    return { value: await Promise.race([work(), silence]), findings: [] }
  } catch (error) {
    throwIfAborted(stopped)
    if (!(error instanceof OpsError)) throw error
    return { value: null, findings: [{ id, severity: 'critical', message: asError(error).message }] }
  } finally {
    late.abort()
  }
}

async function healthOf({ context, target }: Instance, job: StatusJob): Promise<HealthOfInstance | null> {
  if (target === null) return null
  const { output: progress, signal } = context
  const directory = targetDirectory(context)
  if (directory !== null) {
    const { checkDirectory } = await import('../health/offline/check-directory.js')
    const tempDir = await context.tempDir()
    const { status, findings } = await checkDirectory({
      path: directory,
      level: 'live',
      tempDir,
      progress,
      signal,
    })
    return { status, reachable: null, heartbeatMs: null, findings }
  }
  const { checkHealth } = await import('../health/check-health.js')
  const { status, reachable, heartbeatMs, findings } = await checkHealth({
    server: await context.serverOptions(),
    level: 'live',
    scope: { tenants: [], databases: null, selection: { include: [], exclude: [] } },
    deadlineMs: Math.min(5_000, job.deadlineMs),
    progress,
    signal,
  })
  return { status, reachable, heartbeatMs, findings }
}

async function backupsOf({ context, series }: Instance) {
  if (context.settings.value(catalogue.repo) === null || series === null) return null
  const repository = await openOwnRepository(context)
  const { readRepositoryStatus } = await import('../backup/repository-status.js')
  const status = await readRepositoryStatus(repository, { series, signal: context.signal })
  return { repository: repository.store.displayUrl, status }
}
