import { ChromaApi } from '../../chroma/api.js'
import type { OfficialClient } from '../../chroma/official-client.js'
import { asError, throwIfAborted } from '../../core/errors.js'
import { plural } from '../../core/plural.js'
import { isOpaque, isUndoable } from '../operations/step-facts.js'
import { recordSteps, type RecordedStep } from '../plan/record-steps.js'
import { VirtualDatabase } from '../plan/virtual-database.js'
import { down } from '../run/down.js'
import type { MigrationJob } from '../run/migration-job.js'
import type { RunResult } from '../run/result.js'
import type { KnownMigration } from '../run/select.js'
import { withScratch } from '../run/session.js'
import { up } from '../run/up.js'
import { readLock, unlock } from '../state/unlock.js'
import { CrashingTransport } from './crashing-transport.js'
import { snapshotDifferences, takeSnapshot, type Snapshot } from './snapshot.js'

export interface MigrationTestJob {
  readonly migration: KnownMigration
  /** For a database of the test's own: everything but the database and the migrations. */
  readonly job: Omit<MigrationJob, 'database' | 'migrations' | 'openClient'>
  /** The official client of one of the databases; it does not crash. */
  readonly openClient: (database: string) => Promise<OfficialClient>
  /** Makes a database with the fixtures, and gives its name. */
  readonly newDatabase: () => Promise<string>
  /** At most so many crashes are tried, spread over all writes of the migration. */
  readonly crashes: number
}

export interface MigrationTestReport {
  readonly passed: boolean
  readonly steps: number
  /** Crashes that were tried. */
  readonly crashes: number
  readonly checks: readonly MigrationCheck[]
}

export interface MigrationCheck {
  readonly name: 'up' | 'up again' | 'down' | 'down and up' | 'crash' | 'crash of down'
  /** Null: it was not tried, and `problem` says why. */
  readonly passed: boolean | null
  readonly problem: string | null
}

/** Runs a migration up, down and up, and with a crash at its writes; each must end with the same data. */
export async function runMigrationTest(test: MigrationTestJob): Promise<MigrationTestReport> {
  const checks: MigrationCheck[] = []
  const before = await snapshotOf(test, await test.newDatabase())
  const recorded = await record(test, await test.newDatabase())
  const clean = await test.newDatabase()
  const counting = crashing(test, Infinity)
  const first = await outcomeOf(up(upJob(test, clean, counting.api)))
  checks.push(check('up', first))
  if (first !== null) return report(checks, recorded, 0)
  const applied = await snapshotOf(test, clean)
  checks.push(check('up again', await again(test, clean, applied)))
  checks.push(...(await wayBack(test, { database: clean, before, applied, recorded })))
  const points = crashPoints(counting.transport.writes, test.crashes)
  checks.push(await crashes(test, points, applied))
  if (whyNoWayBack(test.migration, recorded) !== null) return report(checks, recorded, points.length)
  const back = await downCrashes(test, before)
  checks.push(back.check)
  return report(checks, recorded, points.length + back.crashes)
}

async function again(test: MigrationTestJob, database: string, applied: Snapshot): Promise<string | null> {
  const problem = await outcomeOf(up(upJob(test, database)))
  return problem ?? firstDifference(await snapshotOf(test, database), applied)
}

async function wayBack(
  test: MigrationTestJob,
  of: {
    readonly database: string
    readonly before: Snapshot
    readonly applied: Snapshot
    readonly recorded: readonly RecordedStep[]
  },
): Promise<readonly MigrationCheck[]> {
  const { database, before, applied, recorded } = of
  const none = whyNoWayBack(test.migration, recorded)
  if (none !== null) return [{ name: 'down', passed: null, problem: none }]
  const reverted = await outcomeOf(down(downJob(test, database)))
  const difference = reverted ?? firstDifference(await snapshotOf(test, database), before)
  if (difference !== null) return [check('down', difference)]
  const repeated = await outcomeOf(up(upJob(test, database)))
  const problem = repeated ?? firstDifference(await snapshotOf(test, database), applied)
  return [check('down', null), check('down and up', problem)]
}

async function crashes(
  test: MigrationTestJob,
  points: readonly number[],
  applied: Snapshot,
): Promise<MigrationCheck> {
  for (const writes of points) {
    throwIfAborted(test.job.signal)
    const database = await test.newDatabase()
    await outcomeOf(up(upJob(test, database, crashing(test, writes).api)))
    await removeLock(test, database)
    const problem =
      (await outcomeOf(up(upJob(test, database)))) ??
      firstDifference(await snapshotOf(test, database), applied)
    if (problem !== null) return check('crash', `after a crash behind ${plural(writes, 'write')}: ${problem}`)
  }
  return check('crash', null)
}

async function downCrashes(
  test: MigrationTestJob,
  before: Snapshot,
): Promise<{ readonly check: MigrationCheck; readonly crashes: number }> {
  const counted = await test.newDatabase()
  await outcomeOf(up(upJob(test, counted)))
  const counting = crashing(test, Infinity)
  await outcomeOf(down(downJob(test, counted, counting.api)))
  const points = crashPoints(counting.transport.writes, test.crashes)
  for (const writes of points) {
    throwIfAborted(test.job.signal)
    const database = await test.newDatabase()
    await outcomeOf(up(upJob(test, database)))
    await outcomeOf(down(downJob(test, database, crashing(test, writes).api)))
    await removeLock(test, database)
    const problem =
      (await outcomeOf(down(downJob(test, database)))) ??
      firstDifference(await snapshotOf(test, database), before)
    if (problem !== null)
      return {
        check: check('crash of down', `after a crash behind ${plural(writes, 'write')}: ${problem}`),
        crashes: points.length,
      }
  }
  return { check: check('crash of down', null), crashes: points.length }
}

/** The process that has "died" is this one, so that its lock looks alive. */
async function removeLock({ job }: MigrationTestJob, database: string): Promise<void> {
  const place = { api: job.api, tenant: job.tenant, database }
  const holder = await readLock(place, job.signal)
  if (holder !== null) await unlock(place, holder.id, job.signal)
}

/** Numbers of writes before a crash, spread over all of them. */
function crashPoints(writes: number, most: number): readonly number[] {
  const count = Math.min(writes, most)
  return Array.from({ length: count }, (_, at) => Math.floor((at * writes) / count))
}

async function record(test: MigrationTestJob, database: string): Promise<readonly RecordedStep[]> {
  const { job, migration } = test
  const place = { api: job.api, tenant: job.tenant, database, signal: job.signal }
  return withScratch(job, (scratch) =>
    recordSteps((context) => migration.definition.up(context), {
      ...place,
      ...scratch,
      version: migration.version,
      virtual: new VirtualDatabase(place),
      earlier: [],
      sameFile: false,
      concurrency: job.concurrency,
    }),
  )
}

function whyNoWayBack({ definition }: KnownMigration, recorded: readonly RecordedStep[]): string | null {
  if (definition.irreversible !== undefined) return `irreversible: ${definition.irreversible}`
  if (definition.down !== undefined) return null
  const stuck = recorded.find(({ step }) => !isUndoable(step))
  if (stuck === undefined) return null
  return `step ${stuck.number} ("${stuck.title}") cannot be undone${isOpaque(stuck.step) ? ', and has no down' : ''}`
}

function crashing({ job }: MigrationTestJob, writes: number) {
  const transport = new CrashingTransport(job.api.transport, writes)
  return { transport, api: new ChromaApi(transport) }
}

function upJob(test: MigrationTestJob, database: string, api = test.job.api) {
  return {
    ...test.job,
    openClient: () => test.openClient(database),
    ...{ api, database, migrations: [test.migration], limit: null, to: null, plan: null },
    ...({ allowDestructive: true, execOrder: 'linear', skipBackup: true, adopt: true } as const),
  }
}

function downJob(test: MigrationTestJob, database: string, api = test.job.api) {
  return {
    ...test.job,
    openClient: () => test.openClient(database),
    ...{ api, database, migrations: [test.migration], count: 1, to: null, restore: false },
    ...{ acceptDataLoss: false, allowProduction: true, dryRun: false },
  }
}

/** What went wrong; null: nothing. */
async function outcomeOf(run: Promise<RunResult>): Promise<string | null> {
  try {
    return (await run).error?.message ?? null
  } catch (error) {
    return asError(error).message
  }
}

function snapshotOf({ job }: MigrationTestJob, database: string): Promise<Snapshot> {
  return takeSnapshot(job.api, { tenant: job.tenant, database }, job.signal)
}

function firstDifference(actual: Snapshot, expected: Snapshot): string | null {
  const differences = snapshotDifferences(actual, expected)
  if (differences.length === 0) return null
  const more = differences.length > 1 ? `, and ${differences.length - 1} more differences` : ''
  return `${differences[0] ?? ''}${more}`
}

function check(name: MigrationCheck['name'], problem: string | null): MigrationCheck {
  return { name, passed: problem === null, problem }
}

function report(
  checks: readonly MigrationCheck[],
  recorded: readonly RecordedStep[],
  crashed: number,
): MigrationTestReport {
  const passed = checks.every((one) => one.passed !== false)
  return { passed, steps: recorded.length, crashes: crashed, checks }
}
