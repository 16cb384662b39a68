import { GuardError } from '../../core/errors.js'
import { plural, wasOrWere } from '../../core/plural.js'
import { shellWord } from '../../core/shell-word.js'
import { recordSteps } from '../plan/record-steps.js'
import { VirtualDatabase } from '../plan/virtual-database.js'
import type { StepRow } from '../state/row.js'
import type { Undo } from '../step-outcome.js'
import { writtenSinceCutover } from '../swap/swap-back.js'
import type { StepContext } from '../step-outcome.js'
import { IrreversibleError } from './errors.js'
import type { MigrationJob } from './migration-job.js'
import type { RevertedMigration } from './select-down.js'
import { isSameFile, titleOf } from './select.js'

export interface WayBackJob {
  readonly job: MigrationJob
  readonly migrations: readonly RevertedMigration[]
  readonly restore: boolean
  readonly acceptDataLoss: boolean
  /** The steps are undone whatever the definition says of its way back. */
  readonly byUndo?: boolean
  /** For looking at collections; nothing is written with it. */
  readonly contextOf: (version: string, at: number) => StepContext
}

/**
 * Whether every migration can be reverted, before the first one is. Throws an {@link IrreversibleError} (15), a
 * GuardError `DATA_LOSS` or `BACKUP_NEEDED` (15).
 */
export async function requireWayBack(job: WayBackJob): Promise<void> {
  const { api, tenant, database, signal } = job.job
  const collections = await api.listCollections(tenant, database, signal)
  const ids = new Set(collections.map(({ id }) => id))
  const names = new Map(collections.map(({ name, id }) => [name, id]))
  for (const migration of job.migrations) {
    const { row, file } = migration
    if (row.status === 'skipped') continue
    if (job.restore && row.backup !== null) {
      if (job.job.backup === null)
        throw new GuardError(
          'BACKUP_NEEDED',
          `the backup ${row.backup.id} of ${titleOf(row)} is in ${row.backup.repository}, and no repository is named`,
          {
            hint: `"chroma-ops migrate down --restore --repo ${shellWord(row.backup.repository)}"`,
          },
        )
      continue
    }
    if (job.restore)
      throw new IrreversibleError(`no backup was made for ${titleOf(row)}`, {
        hint: 'revert it without --restore, or restore a backup of your own with "chroma-ops restore"',
      })
    const definition = job.byUndo === true ? undefined : file?.definition
    if (definition?.irreversible !== undefined)
      throw new IrreversibleError(`${titleOf(row)} is irreversible: ${definition.irreversible}`, {
        hint: restoreHint(migration),
      })
    if (definition?.down !== undefined) continue
    for (const [at, step] of row.steps.entries()) await requireUndo(job, migration, { step, at, ids, names })
  }
}

async function requireUndo(
  job: WayBackJob,
  migration: RevertedMigration,
  {
    step,
    at,
    ids,
    names,
  }: {
    readonly step: StepRow
    readonly at: number
    readonly ids: ReadonlySet<string>
    /** The id of each name. */
    readonly names: ReadonlyMap<string, string>
  },
): Promise<void> {
  const { row, file } = migration
  const { undo } = step
  const which = `step ${at + 1} of ${titleOf(row)} ("${step.title}")`
  if (step.state === 'done' && undo === null)
    throw new IrreversibleError(`${which} cannot be undone`, { hint: restoreHint(migration) })
  if (undo?.kind === 'code' && file === null)
    throw new IrreversibleError(`${which} is undone by code of its file, which is not here`, {
      hint: 'get the file back from version control',
    })
  const needed = neededId(undo)
  if (needed !== null && !ids.has(needed))
    throw new IrreversibleError(`${which}: the old collection is not there any more`, {
      hint: restoreHint(migration),
    })
  if (undo?.kind === 'swapBack' && !ids.has(undo.live.id)) {
    const taken = names.get(undo.live.name)
    if (taken === undefined || taken === undo.kept.id) return
    throw new IrreversibleError(
      `${which}: somebody has deleted the new ${undo.live.name} and made another one, which would be in the way`,
      { hint: `rename or delete that one; the old collection is ${undo.kept.name}` },
    )
  }
  if (undo?.kind !== 'swapBack' || !undo.newVectors || job.acceptDataLoss) return
  // An earlier run may have died while it undid this one; whoever goes on with that looks for itself.
  if (migration.resumed && at === row.steps.length - 1) return
  const written = await writtenSinceCutover(undo, job.contextOf(row.version, at))
  const records = written.added + written.changed + written.deleted
  if (records > 0)
    throw new GuardError(
      'DATA_LOSS',
      `${plural(records, 'record')} of ${undo.live.name} ${wasOrWere(records)} written since ${titleOf(row)} was applied, and their vectors do not fit the old collection`,
      { hint: 'write them again after going back, or leave them behind with --accept-data-loss' },
    )
}

/** The collection without which a step cannot be undone. */
function neededId(undo: Undo | null): string | null {
  if (undo?.kind === 'swapBack') return undo.kept.id
  return undo?.kind === 'untrash' ? undo.collection.id : null
}

function restoreHint({ row, file }: RevertedMigration): string {
  if (row.backup !== null)
    return `bring back the backup ${row.backup.id} of ${row.backup.collections.join(', ')} with "chroma-ops migrate down --restore --repo ${shellWord(row.backup.repository)}"`
  return `give ${file?.file ?? titleOf(row)} a down() that does it`
}

type StepDown = (context: { readonly signal: AbortSignal }) => Promise<void> | void

/** The `down` of the steps that are code of their own, by name: functions are in the file, not in the state. */
export async function stepDowns(
  context: StepContext,
  migration: RevertedMigration,
  steps: readonly StepRow[],
): Promise<ReadonlyMap<string, StepDown>> {
  const { file } = migration
  if (file === null || !steps.some(({ undo }) => undo?.kind === 'code')) return new Map()
  const recorded = await recordSteps((run) => file.definition.up(run), {
    ...context,
    virtual: new VirtualDatabase(context),
    earlier: steps,
    sameFile: isSameFile(migration),
  })
  return new Map(
    recorded.flatMap(({ step }) =>
      step.kind === 'code' && step.down !== null ? [[step.name, step.down] as const] : [],
    ),
  )
}
