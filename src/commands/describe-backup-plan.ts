import type { BackupPlan } from '../backup/backup-job.js'
import { ExitCode } from '../core/exit-code.js'
import { bytes, duration, grouped, plural, shortBytes } from '../output/format.js'
import type { Style } from '../output/style.js'
import { table } from '../output/table.js'
import { labelledName } from './labelled-name.js'

/** A plan that would be refused ends as the backup would. */
export function planExitCode({ refusals }: BackupPlan): ExitCode {
  return refusals.length === 0 ? ExitCode.ok : ExitCode.refused
}

export function describePlan(plan: BackupPlan, style: Style): string {
  const { series, type, parent, collections, records, logicalBytes, previous, refusals } = plan
  const rows = collections.map((collection) => [
    labelledName(collection),
    grouped(collection.records),
    collection.dimension === null ? '-' : String(collection.dimension),
    shortBytes(collection.logicalBytes),
  ])
  const numbers = ['records', 'dimension', 'size']
  return [
    `nothing has been written; ${kindText(type, parent)} of series ${series} would hold`,
    table(['collection', ...numbers], rows, numbers),
    `${plural(collections.length, 'collection')}, ${plural(records, 'record')}, about ${bytes(logicalBytes)}`,
    ...(previous === null ? [] : [previousText(previous)]),
    ...refusals.map(({ code, message }) => `${style.bad('would be refused:')} ${message} (${code})`),
  ].join('\n')
}

function kindText(type: BackupPlan['type'], parent: string | null): string {
  const kind = { full: 'a full backup', incremental: 'an incremental backup', collection: 'a backup' }[type]
  return parent === null ? kind : `${kind} upon ${parent}`
}

function previousText({ id, records, durationMs }: NonNullable<BackupPlan['previous']>): string {
  return `the last one, ${id}, holds ${plural(records, 'record')} and took ${duration(durationMs)}`
}
