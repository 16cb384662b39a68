import type { DrilledCollection, DrillReport } from '../backup/drill-report.js'
import { displayName } from '../core/records.js'
import { bytes, duration, plural } from '../output/format.js'
import type { Style } from '../output/style.js'
import { comparisonText } from './describe-comparison.js'

export function describeDrill(report: DrillReport, style: Style): string {
  const { backup, status, collections, findings, records, recoveryMs, serverStartMs, restoreMs } = report
  const verdict = status === 'ok' ? style.good('ok') : style.warning('findings')
  return [
    `${verdict}: backup ${backup} was restored into a temporary server and compared`,
    `${plural(collections.length, 'collection')}, ${plural(records, 'record')}, ${bytes(report.bytes)}`,
    `recovery took ${duration(recoveryMs)}: server ${duration(serverStartMs)}, restore and comparison ${duration(restoreMs)}`,
    ...collections.map((collection) => `  ${collectionText(collection)}`),
    ...findings.map((finding) => `${style.warning('finding:')} ${finding}`),
  ].join('\n')
}

function collectionText(collection: DrilledCollection): string {
  const { comparison, records, probes } = collection
  const figures = comparison === null ? plural(records, 'record') : comparisonText(comparison)
  return `${displayName(collection)}: ${figures}; ${probesText(probes)}`
}

function probesText({ queries, recall, short }: DrilledCollection['probes']): string {
  if (queries === 0) return 'no queries'
  const found = recall === null ? '' : `, ${Number((recall * 100).toFixed(1))} % of the nearest records found`
  const missing = short === 0 ? '' : `, ${plural(short, 'answer')} too short`
  return `${queries} ${queries === 1 ? 'query' : 'queries'}${found}${missing}`
}
