import type { DirectoryRestored, RestoreDirectoryPlan } from '../backup/restore-directory.js'
import { byteRate, bytes, duration, plural } from '../output/format.js'
import type { Style } from '../output/style.js'
import { erasedLines } from './describe-restore.js'

export function describeDirectoryPlan(plan: RestoreDirectoryPlan, style: Style): string {
  const { backup, directory, type, replaced, refusals } = plan
  return [
    `nothing has been written; a restore of ${backup} (${type}) into ${directory} would`,
    replaced.length === 0
      ? '  fill it; there is nothing in it'
      : `  put into quarantine what is there: ${replaced.join(', ')}`,
    `  write ${plural(plan.collections, 'collection')}, ${plural(plan.records, 'record')}, ${bytes(plan.bytes)}`,
    ...refusals.map(({ code, message }) => `${style.bad('would be refused:')} ${message} (${code})`),
  ].join('\n')
}

export function describeDirectoryRestored(restored: DirectoryRestored, style: Style): string {
  const { backup, directory, collections, records, keptAs, durationMs } = restored
  const size = restored.bytes === null ? [] : [bytes(restored.bytes), byteRate(restored.bytes, durationMs)]
  const figures = [
    plural(collections, 'collection'),
    plural(records, 'record'),
    ...size,
    duration(durationMs),
  ]
  return [
    `restored ${backup} into ${directory}`,
    figures.join(', '),
    restored.resumed
      ? 'an earlier run had written and verified it; this one has put it in place'
      : style.good('every byte verified, durable, and in place'),
    ...erasedLines(restored.erased ?? []),
    ...(keptAs === null ? [] : [`what was there is kept in ${keptAs}`]),
  ].join('\n')
}
