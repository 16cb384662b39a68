import type { BackupDecision } from '../backup/decide-retention.js'
import type { ObjectFigures, PruneResult } from '../backup/prune-job.js'
import { bytes, instant, plural } from '../output/format.js'
import type { Style } from '../output/style.js'
import { table } from '../output/table.js'

/** Which backups go, which stay and why, and what is given back. */
export function describePrune(result: PruneResult, style: Style): string {
  const { applied, backups, trash, stored, freed, freedLater, obstacles, refusals } = result
  const removed = backups.filter(({ decision }) => decision === 'remove')
  const purged = trash.filter(({ decision }) => decision === 'purge')
  return [
    ...(backups.length === 0 ? [] : [backupTable(result, style), '']),
    ...(trash.length === 0 ? [] : [trashTable(result, style), '']),
    ...obstacles.flatMap(({ message, hint }) => [
      `${style.bad('nothing can be purged:')} ${message}`,
      `  ${hint}`,
    ]),
    ...(refusals.length === 0 ? [] : refusals.map((each) => refusalText(each, style))),
    `${plural(removed.length, 'backup')} of ${backups.length} ${applied ? 'removed' : 'to be removed'}, ${plural(purged.length, 'removed backup')} ${applied ? 'purged' : 'to be purged'}`,
    `${figures(freed)} ${applied ? 'given back' : 'would be given back'}, ${figures(freedLater)} later, of ${figures(stored)}`,
    ...(applied ? [] : ['nothing has been changed; add --apply to do it']),
  ].join('\n')
}

function backupTable({ applied, backups }: PruneResult, style: Style): string {
  const rows = backups.map((backup) => [
    backup.id,
    backup.created === null ? '-' : instant(new Date(backup.created)),
    backup.type ?? '-',
    backup.status ?? '-',
    decisionText(backup, applied, style),
  ])
  return table(['id', 'created', 'type', 'status', ''], rows)
}

function decisionText({ decision, reasons }: BackupDecision, applied: boolean, style: Style): string {
  if (decision === 'remove') return style.warning(applied ? 'removed' : 'to be removed')
  return `stays: ${reasons.join(', ')}`
}

function trashTable({ applied, trash }: PruneResult, style: Style): string {
  const rows = trash.map(({ id, removed, purgeAfter, decision, reasons }) => [
    id,
    removed === null ? '-' : instant(new Date(removed)),
    decision === 'purge'
      ? style.warning(applied ? 'purged' : 'to be purged')
      : `stays: ${reasons.join(', ')}${purgeAfter === null ? '' : ` until ${instant(new Date(purgeAfter))}`}`,
  ])
  return table(['in the trash', 'removed', ''], rows)
}

function refusalText({ code, message, hint }: PruneResult['refusals'][number], style: Style): string {
  return `${style.bad('would be refused:')} ${message} (${code})${hint === null ? '' : `; ${hint}`}`
}

function figures({ objects, bytes: size }: ObjectFigures): string {
  return `${bytes(size)} in ${plural(objects, 'object')}`
}
