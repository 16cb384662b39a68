import { catalogue } from '../config/catalogue.js'
import { UsageError } from '../core/errors.js'
import type { MigrationEvents, MigrationJob } from '../migrations/run/migration-job.js'
import { plural } from '../output/format.js'
import type { Output } from '../output/output.js'
import { cacheFolder } from './cache-folder.js'
import type { CommandContext } from './context.js'
import type { LockFlags } from './migrate-flags.js'
import { migrationsFolder } from './migrations-folder.js'

const DEFAULT_DATABASE = 'default_database'

/** What every action on migrations works with, after first contact with the server. */
export async function openMigrations(context: CommandContext, flags: LockFlags): Promise<MigrationJob> {
  const { settings, output, host, actor, signal } = context
  const directory = migrationsFolder(context, flags.dir)
  const place = await onePlace(context)
  const serverOptions = await context.serverOptions()
  // At head nothing but three requests is sent: a connection that is made ahead would send a fourth.
  const api = await context.openServer(undefined, { min: 1 })
  const tempDir = await context.tempDir()
  return {
    api,
    ...place,
    directory,
    environment: flags.env ?? settings.value(catalogue.migrationsEnv),
    actor,
    toolVersion: host.version,
    lock: {
      ttlMs: settings.value(catalogue.migrationsLockTtl),
      waitMs: flags.lockWait ?? settings.value(catalogue.migrationsLockWait),
    },
    concurrency: settings.value(catalogue.concurrency),
    tempDir,
    cacheDir: await cacheFolder(context, tempDir),
    backup: await backupPort(context, api, tempDir),
    openClient: async () => {
      const { openOfficialClient } = await import('../chroma/open-official-client.js')
      return openOfficialClient(serverOptions, place)
    },
    events: noted(output),
    progress: output,
    now: host.now,
    signal,
  }
}

/** One database has one history. */
async function onePlace(context: CommandContext): Promise<{ tenant: string; database: string }> {
  const { tenants, databases = [DEFAULT_DATABASE] } = await context.scope()
  const [tenant, otherTenant] = tenants
  const [database, otherDatabase] = databases
  if (
    tenant === undefined ||
    database === undefined ||
    otherTenant !== undefined ||
    otherDatabase !== undefined
  )
    throw new UsageError('migrations are about one database', {
      hint: 'name one with --tenant and --database, and run the command for each',
    })
  return { tenant, database }
}

/** Null without `--repo`. The repository is opened when a backup is needed, and not before. */
async function backupPort(
  context: CommandContext,
  api: MigrationJob['api'],
  tempDir: string,
): Promise<MigrationJob['backup']> {
  const { settings, actor, host, output, directories } = context
  if (settings.value(catalogue.repo) === null) return null
  const [{ backupBeforeChange }, { openOwnRepository }, { seriesFor }] = await Promise.all([
    import('../backup-before-change.js'),
    import('./repository-command.js'),
    import('./backup-target.js'),
  ])
  let opened: ReturnType<typeof openOwnRepository> | undefined
  return backupBeforeChange({
    repository: () => (opened ??= openOwnRepository(context)),
    api,
    series: seriesFor(context, undefined, api.transport.displayUrl),
    actor,
    host: host.hostname,
    toolVersion: host.version,
    tempDir,
    stateDir: (await directories.state()) ?? undefined,
    mayProbe: !settings.value(catalogue.readOnly),
    concurrency: settings.value(catalogue.concurrency),
    now: host.now,
    progress: output,
  })
}

/** What goes on, for whoever waits. */
function noted(output: Output): MigrationEvents {
  return {
    started({ version, name, direction }) {
      output.note(`${version} ${name}: ${direction}`, { version, name, direction })
    },
    step({ version, title, state, number, total }) {
      const of = `${version} step ${number} of ${Math.max(number, total)}: ${title}`
      const message = state === 'resumed' ? `${of} goes on from where an earlier run has left it` : of
      if (state === 'done') output.detail(`${of}: done`)
      else output.note(message, { version, title, number, total, state })
    },
    finished({ version, status }) {
      output.detail(`${version}: ${status}`)
    },
    backup({ version, collections }) {
      const what = `${plural(collections.length, 'collection')} (${collections.join(', ')})`
      output.note(`${version}: backing up ${what} before the first change`, { version, collections })
    },
    waiting({ holder }) {
      output.note(`waiting for ${holder}`, { holder })
    },
    lockLost({ message }) {
      output.warn({ code: 'MIGRATION_LOCK_LOST', message })
    },
  }
}
