import { shellWord } from '../../core/shell-word.js'
import type { MigrationRow } from '../state/row.js'
import { IrreversibleError, MigrationUndecidedError } from './errors.js'
import { futureOf, isUnfinished, titleOf, unknownVersion, type KnownMigration } from './select.js'

export interface SelectDownJob {
  readonly files: readonly KnownMigration[]
  readonly rows: readonly MigrationRow[]
  readonly count: number
  readonly to: string | null
  readonly restore: boolean
}

/** A migration that is to be taken back. */
export interface RevertedMigration {
  readonly row: MigrationRow
  /** Null: there is no file of it any more. */
  readonly file: KnownMigration | null
  /** An earlier run has begun to revert it. */
  readonly resumed: boolean
}

/**
 * What `down` would revert, newest first; one whose `down` was interrupted comes first. Throws a
 * MigrationUndecidedError (17) when an `up` was, unless it is to be taken back by its backup, and a
 * MigrationNotFoundError (10).
 */
export function selectApplied(job: SelectDownJob): readonly RevertedMigration[] {
  const { files, rows, count, to, restore } = job
  const unfinished = rows.find((row) => row.direction === 'up' && isUnfinished(row))
  if (unfinished !== undefined && !restore)
    throw new MigrationUndecidedError(
      'MIGRATION_INTERRUPTED',
      `migration ${titleOf(unfinished)} was begun and not finished`,
      {
        hint:
          'take it back with "chroma-ops migrate abort", or finish it with "chroma-ops migrate resume"' +
          (unfinished.backup === null
            ? ''
            : `, or bring its backup back with "chroma-ops migrate down --restore --repo ${shellWord(unfinished.backup.repository)}"`),
      },
    )
  if (to !== null && !isZero(to) && !rows.some((row) => row.version === to)) throw unknownVersion(to, files)
  const candidates = rows
    .filter(
      (row) =>
        row.status === 'applied' ||
        row.status === 'skipped' ||
        isUnfinished(row) ||
        row.status === 'baseline',
    )
    .reverse()
  const wanted =
    to === null ? candidates.slice(0, count) : candidates.filter(({ version }) => isZero(to) || version > to)
  const reverting = candidates.filter((row) => row.direction === 'down' && isUnfinished(row))
  const chosen = [...reverting, ...wanted.filter((row) => !reverting.includes(row))]
  refuseWhatNobodyRan(chosen)
  return chosen.map((row) => ({
    row,
    file: files.find(({ version }) => version === row.version) ?? null,
    resumed: reverting.includes(row),
  }))
}

/** What a newer release of the application has applied is reverted by that release. */
export function refuseFuture(files: readonly KnownMigration[], chosen: readonly RevertedMigration[]): void {
  const future = futureOf(
    files,
    chosen.map(({ row }) => row),
  )
  const [first] = future
  if (files.length === 0 || first === undefined) return
  throw new IrreversibleError(
    `${titleOf(first)} is newer than every file here, so its way back is not known`,
    {
      hint: 'run "chroma-ops migrate down" from the release that has its file',
    },
  )
}

function refuseWhatNobodyRan(chosen: readonly RevertedMigration['row'][]): void {
  const baseline = chosen.find(({ status }) => status === 'baseline')
  if (baseline === undefined) return
  throw new IrreversibleError(
    `${titleOf(baseline)} was recorded by a baseline and never run, so it cannot be reverted`,
    {
      hint: `to have it applied by the next run: "chroma-ops migrate repair --forget ${baseline.version} --apply"`,
    },
  )
}

function isZero(version: string): boolean {
  return /^0+$/.test(version)
}
