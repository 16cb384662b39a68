import { displayName } from '../core/records.js'
import type {
  DirectoryCollection,
  DirectoryReport,
  UpgradeReport,
} from '../health/offline/directory-report.js'
import { duration, grouped, plural, shortBytes } from '../output/format.js'
import type { Style } from '../output/style.js'
import { table } from '../output/table.js'
import { findingText, statusText } from './describe-health.js'

export function describeDirectoryHealth(report: DirectoryReport, style: Style): string {
  const { path, status, level, durationMs, findings, collections, upgrade } = report
  return [
    `${statusText(status, style)}: ${path} (${level}, ${duration(durationMs)})`,
    ...facts(report),
    ...(collections.length === 0 ? [] : ['', collectionTable(collections, style)]),
    ...(upgrade === null ? [] : ['', ...upgradeText(upgrade, style)]),
    ...findings.flatMap((finding) => ['', ...findingText(finding, style)]),
  ].join('\n')
}

function facts({ database, indexes, disk, holder, backup, server }: DirectoryReport): string[] {
  const lines: string[] = []
  if (database !== null) {
    const { releases, bytes, freeBytes, checked, log } = database
    const integrity = checked === null ? 'pages not compared' : `${checked} check of its pages`
    const unpurged = log === null ? '' : `, ${plural(log.rows, 'row')} in the log`
    lines.push(`data of Chroma ${releases ?? 'that is not known'}`)
    lines.push(
      `database ${shortBytes(bytes)}, ${shortBytes(freeBytes)} of it free${unpurged}; ${integrity} with SQLite ${database.sqliteVersion}`,
    )
  }
  if (indexes !== null)
    lines.push(
      `indexes ${shortBytes(indexes.allocatedBytes)} on the disk, ${shortBytes(indexes.memoryBytes)} of memory when all are loaded`,
    )
  if (disk !== null)
    lines.push(`${shortBytes(disk.freeBytes)} of ${shortBytes(disk.totalBytes)} free (${disk.type})`)
  if (database !== null) lines.push(`in use by ${holderLine(holder)}`)
  if (backup?.id != null) lines.push(`newest complete backup ${backup.id}`)
  if (server !== null)
    lines.push(`compared with ${server.url}: ${plural(server.differences.length, 'difference')}`)
  return lines
}

function holderLine(holder: DirectoryReport['holder']): string {
  if (holder.state === 'free') return 'nobody'
  if (holder.state === 'unknown') return `somebody or nobody: ${holder.why}`
  return holder.by.map(({ pid, command }) => `process ${pid} (${command})`).join(', ')
}

function collectionTable(collections: readonly DirectoryCollection[], style: Style): string {
  return table(
    ['collection', 'status', 'records', 'dimension', 'metric', 'saved', 'in the log', 'lost', 'index'],
    collections.map((collection) => {
      const { status, records, dimension, space, vectors, index } = collection
      return [
        displayName(collection),
        status === 'unchecked' ? style.warning(status) : statusText(status, style),
        records === null ? '-' : grouped(records),
        dimension === null ? '-' : String(dimension),
        space,
        records === null ? '-' : grouped(vectors.saved),
        records === null ? '-' : grouped(vectors.inLog),
        records === null ? '-' : grouped(vectors.lost),
        index === null ? '-' : shortBytes(index.allocatedBytes),
      ]
    }),
    ['records', 'dimension', 'saved', 'in the log', 'lost', 'index'],
  )
}

function upgradeText({ from, to, opening, changes, rehearsal }: UpgradeReport, style: Style): string[] {
  const lines = [style.bold(`from Chroma ${from ?? 'unknown'} to ${to}:`)]
  if (opening === 'refused') return [...lines, '  it cannot open this directory']
  if (changes.length === 0) lines.push('  nothing changes')
  lines.push(...changes.map(({ id, text }) => `  ${id}: ${text}`))
  if (rehearsal === null) return lines
  const { collections, durationMs, failure, differences } = rehearsal
  const outcome =
    failure ??
    (differences.length === 0
      ? `${plural(collections, 'collection')} read back whole`
      : plural(differences.length, 'difference'))
  return [...lines, `  rehearsed on a copy with the installed server (${duration(durationMs)}): ${outcome}`]
}
