import type { KeptCollection } from '../migrations/run/complete.js'
import type { MigrationState, MigrationStatus, StatusFinding } from '../migrations/run/status.js'
import { columnName, duration, instant, plural } from '../output/format.js'
import type { Style } from '../output/style.js'
import { table } from '../output/table.js'
import { inOrder } from './describe-migration-kept.js'
import { describeLock, until } from './describe-migration-lock.js'
import { placeText } from './describe-migration-plan.js'

/** The commands that may be next, as they can be pasted. */
export interface StatusAdvice {
  readonly up: string
  readonly complete: string
}

export function describeStatus(status: MigrationStatus, style: Style, advice: StatusAdvice): string {
  const { migrations, findings, lock, kept, environment, head } = status
  const facts = [
    head === null ? 'no migration is applied' : `at ${head}`,
    ...(environment === null ? [] : [`environment ${environment}`]),
  ]
  const open = new Set<MigrationState['status']>(['pending', 'reverted'])
  const pending = migrations.filter((migration) => open.has(migration.status)).length
  const isBusy = migrations.some((migration) => migration.status === 'running')
  return [
    `${placeText(status)}: ${facts.join(', ')}`,
    ...(migrations.length === 0 ? ['there are no migrations'] : [migrationTable(migrations, style)]),
    ...progressLines(migrations),
    ...(lock === null ? [] : describeLock(lock, style)),
    ...findings.flatMap((finding) => findingLines(finding, style)),
    ...keptLines(kept, advice),
    ...(pending > 0 && findings.length === 0
      ? [`${plural(pending, 'migration')} to apply: ${advice.up}`]
      : []),
    ...(pending === 0 && findings.length === 0 && !isBusy ? [style.good('nothing is to be done')] : []),
  ].join('\n')
}

function migrationTable(migrations: readonly MigrationState[], style: Style): string {
  return table(
    ['version', 'name', 'status', 'when', 'took', 'by'],
    migrations.map((migration) => {
      const { version, name, appliedAt, ms, actor } = migration
      return [
        version,
        columnName(name),
        statusText(migration, style),
        appliedAt === null ? '-' : instant(new Date(appliedAt)),
        ms === null ? '-' : duration(ms),
        actor ?? '-',
      ]
    }),
    ['took'],
  )
}

function statusText({ status, outOfOrder }: MigrationState, style: Style): string {
  const word = `${status}${outOfOrder ? ', out of order' : ''}`
  const colour = COLOURS.get(status)
  return colour === undefined ? word : style[colour](word)
}

/** How far those came that are not finished. */
function progressLines(migrations: readonly MigrationState[]): string[] {
  return migrations.flatMap(({ version, status, progress }) =>
    progress === null ? [] : [`${version} ${status} at ${progress}`],
  )
}

const COLOURS = new Map<MigrationState['status'], 'good' | 'warning' | 'bad' | 'dim'>([
  ['applied', 'good'],
  ['baseline', 'good'],
  ['skipped', 'dim'],
  ['running', 'warning'],
  ['interrupted', 'bad'],
  ['failed', 'bad'],
  ['missing', 'bad'],
  ['future', 'bad'],
  ['modified', 'bad'],
])

function findingLines({ code, version, message, hint }: StatusFinding, style: Style): string[] {
  const about = version === null || message.includes(version) ? '' : `${version}: `
  return [`${style.bad(code)} ${about}${message}`, ...(hint === null ? [] : [`  next: ${hint}`])]
}

function keptLines(kept: readonly KeptCollection[], { complete }: StatusAdvice): string[] {
  if (kept.length === 0) return []
  const due = kept.filter((collection) => collection.due).length
  return [
    ...inOrder(kept).map(
      ({ name, version, kind, records, keepUntil }) =>
        `kept: ${columnName(name)} (${kind} by ${version}), ${plural(records, 'record')}, ${until(keepUntil)}`,
    ),
    ...(due === 0 ? [] : [`  ${due === 1 ? 'one is' : `${due} are`} due; drop with: ${complete}`]),
  ]
}
