import type { MigrationDefinition } from '../definition.js'
import type { MigrationRow } from '../state/row.js'
import { MigrationDriftError, MigrationNotFoundError, MigrationUndecidedError } from './errors.js'

/** A migration as its file says. */
export interface KnownMigration {
  readonly version: string
  readonly name: string
  /** For messages. */
  readonly file: string
  readonly checksum: string
  readonly definition: MigrationDefinition
}

export interface SelectJob {
  /** Ascending by version. */
  readonly files: readonly KnownMigration[]
  readonly rows: readonly MigrationRow[]
  readonly limit: number | null
  readonly to: string | null
}

export interface Selection {
  /** To be applied, in order; the first one may have been begun by an earlier run. */
  readonly selected: readonly SelectedMigration[]
  /** Pending, though later ones are applied; they are among `selected`. */
  readonly outOfOrder: readonly KnownMigration[]
  /** The newest that is applied; null: none. */
  readonly head: string | null
  /** Applied, and newer than every file here. */
  readonly future: readonly MigrationRow[]
}

export interface SelectedMigration {
  readonly file: KnownMigration
  /** What is known of it; null: nothing. */
  readonly row: MigrationRow | null
  /** An earlier run has begun it. */
  readonly resumed: boolean
}

/**
 * What `up` would apply. Throws a {@link MigrationDriftError} (3) when files that were applied have changed or are
 * missing, a {@link MigrationUndecidedError} (17) when a `down` was interrupted, a MigrationNotFoundError (10).
 */
export function selectPending(job: SelectJob): Selection {
  const { files, rows, limit, to } = job
  const byVersion = new Map(rows.map((row) => [row.version, row]))
  refuseDrift(files, rows)
  refuseHalfReverted(rows)
  if (to !== null && !files.some(({ version }) => version === to)) throw unknownVersion(to, files)
  const pending = files.filter(
    ({ version }) => !isSettled(byVersion.get(version)) && (to === null || version <= to),
  )
  const head = headOf(rows)
  const begun = pending.filter(({ version }) => isUnfinished(byVersion.get(version)))
  // What was begun is finished before anything else.
  const wanted = [...begun, ...pending.filter((file) => !begun.includes(file))]
  const selected = (limit === null ? wanted : wanted.slice(0, limit)).map((file) => {
    const row = byVersion.get(file.version) ?? null
    return { file, row, resumed: isUnfinished(row) }
  })
  return {
    selected,
    outOfOrder: selected.flatMap(({ file, resumed }) =>
      head !== null && file.version < head && !resumed ? [file] : [],
    ),
    head,
    future: futureOf(files, rows),
  }
}

/** Whether the file is the one that an earlier run has begun with: formatting and comments make no other of it. */
export function isSameFile(of: {
  readonly file: Pick<KnownMigration, 'checksum'> | null
  readonly row: Pick<MigrationRow, 'checksum'> | null
}): boolean {
  return of.file !== null && of.row?.checksum === of.file.checksum
}

/** Done for good, or recorded as such. */
export function isSettled(row: MigrationRow | undefined | null): boolean {
  return row?.status === 'applied' || row?.status === 'baseline' || row?.status === 'skipped'
}

/** Begun and not finished, in either direction. */
export function isUnfinished(row: MigrationRow | undefined | null): boolean {
  return row?.status === 'running' || row?.status === 'interrupted' || row?.status === 'failed'
}

/** The newest version that counts as applied; null: none. */
export function headOf(rows: readonly MigrationRow[]): string | null {
  const settled = rows.filter(isSettled).map(({ version }) => version)
  return settled.sort().at(-1) ?? null
}

/** Rows of migrations that are newer than every file: a newer release of the application was here. */
export function futureOf(
  files: readonly KnownMigration[],
  rows: readonly MigrationRow[],
): readonly MigrationRow[] {
  const newest = files.at(-1)?.version ?? ''
  return rows.filter(({ version, status }) => version > newest && status !== 'reverted')
}

/** Rows whose file is gone. */
export function missingOf(
  files: readonly KnownMigration[],
  rows: readonly MigrationRow[],
): readonly MigrationRow[] {
  const known = new Set(files.map(({ version }) => version))
  const newest = files.at(-1)?.version ?? ''
  return rows.filter(
    ({ version, status }) => !known.has(version) && version <= newest && status !== 'reverted',
  )
}

/** Files that read otherwise than when they were applied. */
export function modifiedOf(
  files: readonly KnownMigration[],
  rows: readonly MigrationRow[],
): readonly KnownMigration[] {
  const byVersion = new Map(rows.map((row) => [row.version, row]))
  return files.filter(({ version, checksum }) => {
    const row = byVersion.get(version)
    return (row?.status === 'applied' || row?.status === 'baseline') && row.checksum !== checksum
  })
}

export function unknownVersion(
  version: string,
  files: readonly { readonly version: string }[],
): MigrationNotFoundError {
  const known = files.map((file) => file.version)
  const hint =
    known.length === 0
      ? 'the folder has no migrations: see --dir'
      : `there are ${known.slice(-5).join(', ')}${known.length > 5 ? ' and older ones' : ''}`
  return new MigrationNotFoundError(`no migration ${version}`, { hint })
}

function refuseDrift(files: readonly KnownMigration[], rows: readonly MigrationRow[]): void {
  const modified = modifiedOf(files, rows)
  if (modified.length > 0)
    throw new MigrationDriftError(
      'CHECKSUM_CHANGED',
      `${list(modified.map(({ file }) => file))} changed since being applied`,
      {
        problems: modified.map(({ file }) => file),
        hint:
          'put the file back and write a new migration; when the change means nothing: ' +
          '"chroma-ops migrate repair --checksums --apply"',
      },
    )
  const missing = missingOf(files, rows)
  if (missing.length > 0)
    throw new MigrationDriftError(
      'MIGRATION_MISSING',
      `${list(missing.map(titleOf))} applied to this database, and without a file here`,
      {
        problems: missing.map(titleOf),
        hint:
          'get the file back from version control; when it is gone for good: ' +
          `"chroma-ops migrate repair --forget ${missing[0]?.version ?? ''} --apply"`,
      },
    )
}

function refuseHalfReverted(rows: readonly MigrationRow[]): void {
  const reverting = rows.find((row) => row.direction === 'down' && isUnfinished(row))
  if (reverting === undefined) return
  throw new MigrationUndecidedError(
    'MIGRATION_INTERRUPTED',
    `migration ${titleOf(reverting)} was being reverted, and that was not finished`,
    { hint: 'finish it with "chroma-ops migrate resume"' },
  )
}

export function titleOf({ version, name }: { readonly version: string; readonly name: string }): string {
  return `${version}_${name}`
}

function list(names: readonly string[]): string {
  return names.length > 3 ? `${names.slice(0, 3).join(', ')} and ${names.length - 3} more` : names.join(', ')
}
