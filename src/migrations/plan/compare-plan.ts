import { GuardError } from '../../core/errors.js'
import { plural } from '../../core/plural.js'
import type { Warning } from '../../core/progress.js'
import type { MigrationPlan } from './migration-plan.js'

/**
 * Whether the plan that was approved is still what would be done. Throws a GuardError `PLAN_OUTDATED` (15) when
 * versions, checksums or the collections behind the names are others; what has only grown or shrunk is a warning.
 */
export function requirePlan(approved: MigrationPlan, now: MigrationPlan): readonly Warning[] {
  const continued = isContinued(approved, now)
  const differences = [...placeDifferences(approved, now), ...migrationDifferences(approved, now, continued)]
  const warnings: Warning[] = []
  // What a run under this plan has begun has changed the collections already.
  if (continued) return refuseDifferences(differences, warnings)
  const collections = new Map(now.collections.map((collection) => [collection.name, collection]))
  for (const before of approved.collections) {
    const after = collections.get(before.name)
    collections.delete(before.name)
    if (after === undefined) differences.push(`collection ${before.name} is not there any more`)
    else if (after.id !== before.id) differences.push(`collection ${before.name} is another one`)
    else if (after.configuration !== before.configuration || after.space !== before.space)
      differences.push(`collection ${before.name} is configured otherwise`)
    else if (before.dimension !== null && after.dimension !== before.dimension)
      differences.push(`collection ${before.name} has vectors of another length`)
    else if (after.count !== before.count)
      warnings.push({
        code: 'PLAN_COUNTS',
        message: `collection ${before.name} has ${plural(after.count, 'record')}, and had ${before.count} in the plan`,
      })
  }
  for (const name of collections.keys()) differences.push(`collection ${name} was not there`)
  return refuseDifferences(differences, warnings)
}

function refuseDifferences(differences: readonly string[], warnings: readonly Warning[]): readonly Warning[] {
  if (differences.length === 0) return warnings
  throw new GuardError('PLAN_OUTDATED', `the plan does not hold any more: ${differences.join('; ')}`, {
    hint: 'make a new one with "chroma-ops migrate plan --out <file>", and look at it',
  })
}

function placeDifferences(approved: MigrationPlan, now: MigrationPlan): string[] {
  // The same server may have another address here: the ids of its collections tell.
  const places: readonly ('tenant' | 'database')[] = ['tenant', 'database']
  return places
    .filter((place) => approved[place] !== now[place])
    .map((place) => `it was made for ${approved[place]}, not for ${now[place]}`)
}

function migrationDifferences(approved: MigrationPlan, now: MigrationPlan, continued: boolean): string[] {
  const planned = continued ? approved.migrations.slice(-now.migrations.length) : approved.migrations
  const versions = (migrations: MigrationPlan['migrations']) =>
    migrations.map(({ version }) => version).join(', ')
  if (versions(planned) !== versions(now.migrations))
    return [
      `it applies ${versions(planned) || 'nothing'}, and ${versions(now.migrations) || 'nothing'} is pending`,
    ]
  return planned.flatMap((before, at) => {
    const after = now.migrations[at]
    if (after === undefined) return []
    if (after.checksum !== before.checksum) return [`${before.version} reads otherwise`]
    const same = after.action === before.action || after.action === 'resume'
    return same ? [] : [`${before.version} is "${after.action}" now`]
  })
}

/** An earlier run under this plan was interrupted. */
function isContinued(approved: MigrationPlan, now: MigrationPlan): boolean {
  const [first] = now.migrations
  if (first?.action !== 'resume') return false
  return approved.migrations.some(({ version, action }) => version === first.version && action !== 'resume')
}
