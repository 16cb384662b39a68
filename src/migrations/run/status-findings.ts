import { plural } from '../../core/plural.js'
import type { CollectionDefinition } from '../../core/records.js'
import { isHousekeeping, ownLabel } from '../../core/own-collections.js'
import { findDrift } from '../state/fingerprints.js'
import type { StateContents } from '../state/state-store.js'
import type { LockDescription, MigrationState, StatusFinding } from './status.js'
import { titleOf } from './select.js'

/** What is not as it should be, each with the next command. */
export function findingsOf(of: {
  readonly states: readonly MigrationState[]
  readonly contents: StateContents
  readonly collections: readonly CollectionDefinition[]
  readonly lock: LockDescription | null
}): readonly StatusFinding[] {
  const { states, contents, collections, lock } = of
  const findings = states.flatMap(findingsOfState)
  const own = collections.filter((collection) => !isHousekeeping(collection) && ownLabel(collection) === null)
  if (!contents.exists && own.length > 0 && states.some(({ status }) => status === 'pending'))
    findings.push({
      code: 'NO_HISTORY',
      version: null,
      message: `${plural(own.length, 'collection')}, and no history of migrations`,
      hint: 'say what is applied already with "chroma-ops migrate baseline <version>", or "chroma-ops migrate up --adopt"',
    })
  // What is being changed is not what it was, for good reasons.
  const busy = states.some(
    ({ status }) => status === 'running' || status === 'interrupted' || status === 'failed',
  )
  if (!busy) findings.push(...driftFindings(contents, collections))
  if (lock?.stale === true)
    findings.push({
      code: 'STALE_LOCK',
      version: null,
      message: `the lock of ${lock.owner} on ${lock.host} belongs to a run that is dead`,
      hint: `the next run takes it over; or: chroma-ops migrate unlock --lock-id ${lock.id} --apply`,
    })
  return findings
}

function findingsOfState(state: MigrationState): StatusFinding[] {
  const { version, outOfOrder, error, progress } = state
  const title = titleOf(state)
  const finding = (code: StatusFinding['code'], message: string, hint: string): StatusFinding[] => [
    { code, version, message, hint },
  ]
  if (outOfOrder)
    return finding(
      'OUT_OF_ORDER',
      `${title} is not applied, though later ones are`,
      `chroma-ops migrate renumber ${version}`,
    )
  switch (state.status) {
    case 'modified':
      return finding(
        'CHECKSUM_CHANGED',
        `${title} changed since being applied`,
        'put the file back; when the change means nothing: chroma-ops migrate repair --checksums --apply',
      )
    case 'missing':
      return finding(
        'MIGRATION_MISSING',
        `${title} is applied, and has no file here`,
        `get it back from version control; when it is gone for good: chroma-ops migrate repair --forget ${version} --apply`,
      )
    case 'future':
      return finding(
        'FUTURE_VERSION',
        `${title} is applied, and newer than every file here`,
        'a newer release of the application was here: deploy that one',
      )
    case 'interrupted':
      return finding('MIGRATION_INTERRUPTED', `${title} was interrupted at ${progress ?? ''}`, GO_ON)
    case 'failed':
      return finding('MIGRATION_FAILED', `${title} failed: ${error?.message ?? ''}`, GO_ON)
    case 'pending':
    case 'running':
    case 'applied':
    case 'reverted':
    case 'skipped':
    case 'baseline':
      return []
  }
}

const GO_ON = 'chroma-ops migrate up goes on; chroma-ops migrate abort takes back what was done'

function driftFindings(
  { rows }: StateContents,
  collections: readonly CollectionDefinition[],
): readonly StatusFinding[] {
  return findDrift(rows, collections).map(({ version, expected, actual, differences }) => ({
    code: 'COLLECTION_DRIFT',
    version,
    message: `since ${version}: ${differences.join('; ')}`,
    hint: 'see who has changed it; what is there now stays as it is',
    expected,
    actual,
  }))
}
