import { value, valueOr } from './setting.js'
import { durationOf, nonEmpty } from './values.js'

/** Where migrations are, and how long their lock is waited for; flags of `migrate` come first. */
export const migrationSettings = {
  migrationsDir: valueOr('migrations', nonEmpty, {
    environment: 'CHROMA_OPS_MIGRATIONS_DIR',
    key: 'migrations.dir',
    path: true,
    description: 'the folder with the migrations (default: migrations)',
  }),
  migrationsEnv: value(nonEmpty, {
    environment: 'CHROMA_OPS_MIGRATIONS_ENV',
    key: 'migrations.env',
    description: 'the environment that the database is of, such as staging or production',
  }),
  migrationsLockTtl: valueOr('60s', durationOf, {
    environment: 'CHROMA_OPS_MIGRATIONS_LOCK_TTL',
    key: 'migrations.lock_ttl',
    description: 'without a sign of life for so long a run counts as dead (default: 60s)',
  }),
  migrationsLockWait: valueOr('2m', waitOf, {
    environment: 'CHROMA_OPS_MIGRATIONS_LOCK_WAIT',
    key: 'migrations.lock_wait',
    description: 'how long another run is waited for: 0, 5m or inf (default: 2m)',
  }),
}

/** Milliseconds of a duration; `inf` is without end. */
export function waitOf(text: string): number {
  return text === 'inf' ? Number.POSITIVE_INFINITY : durationOf(text)
}
