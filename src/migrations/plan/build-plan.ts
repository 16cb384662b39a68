import { hash } from 'node:crypto'

import type { ChromaApi } from '../../chroma/api.js'
import { spaceOf } from '../../chroma/space.js'
import { throwIfAborted } from '../../core/errors.js'
import { stringifyJson } from '../../core/json.js'
import type { CollectionDefinition } from '../../core/records.js'
import type { EmbeddingCache } from '../embedding-cache.js'
import { isForeignEnvironment } from '../run/environment.js'
import { refusedBefore } from '../run/failure.js'
import { isSameFile, type SelectedMigration, type Selection } from '../run/select.js'
import { describeHolder } from '../state/describe-holder.js'
import type { StateContents } from '../state/state-store.js'
import { readLock } from '../state/unlock.js'
import { backupNeedOf, type BackupNeed } from './backup-need.js'
import type { MigrationPlan, PlannedCollection, PlannedMigration, PlanNote } from './migration-plan.js'
import { planStep } from './plan-step.js'
import { recordSteps, type RecordedStep } from './record-steps.js'
import { reversibleUntil } from './reversible.js'
import { VirtualDatabase } from './virtual-database.js'

export interface BuildPlanJob {
  readonly api: ChromaApi
  readonly tenant: string
  readonly database: string
  /** Of the migrations, for messages. */
  readonly directory: string
  readonly environment: string | null
  readonly contents: StateContents
  readonly selection: Selection
  readonly skipBackup: boolean
  /** Records of each collection that the functions are tried on. */
  readonly sample: number
  readonly concurrency: number
  readonly tempDir: string
  readonly cache: EmbeddingCache
  readonly now: () => Date
  readonly signal: AbortSignal
}

export interface PlannedSteps {
  readonly version: string
  readonly steps: readonly RecordedStep[]
  readonly backup: BackupNeed | null
}

export interface BuiltPlan {
  readonly plan: MigrationPlan
  readonly recorded: readonly PlannedSteps[]
}

export const PLAN_FORMAT = 'chroma-ops-plan'
export const PLAN_FORMAT_VERSION = 1

/** What `up` would do to the database as it is. Writes nothing. Rejects as {@link recordSteps} does. */
export async function buildPlan(job: BuildPlanJob): Promise<BuiltPlan> {
  const { api, tenant, database, selection, contents, signal } = job
  const virtual = new VirtualDatabase(job)
  const latencyMs = await measureLatency(api, signal)
  const migrations: PlannedMigration[] = []
  const recorded: PlannedSteps[] = []
  for (const migration of selection.selected) {
    const planned = await planMigration(job, migration, { virtual, latencyMs }).catch((error: unknown) => {
      throwIfAborted(signal)
      throw refusedBefore(error, { file: migration.file, directory: job.directory, at: 'up' })
    })
    migrations.push(planned.migration)
    recorded.push(planned.recorded)
  }
  const holder = await readLock(job, signal)
  const needing = recorded.filter(({ backup }) => backup !== null)
  return {
    recorded,
    plan: {
      format: PLAN_FORMAT,
      formatVersion: PLAN_FORMAT_VERSION,
      createdAt: job.now().toISOString(),
      displayUrl: api.transport.displayUrl,
      ...{ tenant, database },
      environment: contents.environment ?? job.environment,
      from: selection.head,
      to: newest([selection.head, ...selection.selected.map(({ file }) => file.version)]),
      migrations,
      collections: await plannedCollections(api, virtual.origins(), signal),
      backup: {
        needed: needing.length > 0,
        versions: needing.map(({ version }) => version),
        collections: [...new Set(needing.flatMap(({ backup }) => backup?.collections ?? ['*']))],
        problem: null,
      },
      lock: holder === null ? 'free' : describeHolder(holder),
      destructive: notesOf(migrations, 'DESTRUCTIVE', (step) =>
        step.destructive ? step.notes.slice(0, 1) : [],
      ),
      warnings: notesOf(migrations, 'NOTE', (step) => (step.destructive ? step.notes.slice(1) : step.notes)),
    },
  }
}

async function planMigration(
  job: BuildPlanJob,
  migration: SelectedMigration,
  shared: { readonly virtual: VirtualDatabase; readonly latencyMs: number },
): Promise<{ migration: PlannedMigration; recorded: PlannedSteps }> {
  const { file, row, resumed } = migration
  const { version, name, checksum, definition } = file
  const { description, startup = 'allowed' } = definition
  const facts = { version, name, description, checksum, startup }
  if (isForeignEnvironment(definition.env, job.contents.environment ?? job.environment))
    return {
      migration: { ...facts, action: 'skip', reversible: 'always', steps: [] },
      recorded: { version, steps: [], backup: null },
    }
  const { api, tenant, database, concurrency, tempDir, cache, signal } = job
  const earlier = resumed ? (row?.steps ?? []) : []
  const recordJob = { api, tenant, database, concurrency, tempDir, cache, signal, version, earlier }
  const sameFile = isSameFile(migration)
  const { virtual, latencyMs } = shared
  const steps = await recordSteps((context) => definition.up(context), { ...recordJob, sameFile, virtual })
  const made = resumed && row?.backup != null
  const backup = job.skipBackup || made ? null : backupNeedOf(definition, steps)
  const backsUp = !job.skipBackup && definition.backup !== 'never'
  const planned = []
  for (const step of steps) planned.push(await planStep(step, { ...job, latencyMs, backsUp }))
  return {
    migration: {
      ...facts,
      action: resumed ? 'resume' : 'apply',
      reversible: reversibleUntil(definition, steps, { backsUp, now: job.now() }),
      steps: planned,
    },
    recorded: { version, steps, backup },
  }
}

async function plannedCollections(
  api: ChromaApi,
  collections: readonly CollectionDefinition[],
  signal: AbortSignal,
): Promise<readonly PlannedCollection[]> {
  const planned: PlannedCollection[] = []
  for (const collection of collections) {
    const { name, id, dimension, configuration } = collection
    planned.push({
      ...{ name, id, dimension },
      space: spaceOf(collection),
      configuration: hash('sha256', stringifyJson(configuration), 'hex'),
      count: await api.count(collection, signal),
    })
  }
  return planned.sort((a, b) => (a.name < b.name ? -1 : 1))
}

function notesOf(
  migrations: readonly PlannedMigration[],
  code: string,
  notes: (step: PlannedMigration['steps'][number]) => readonly string[],
): readonly PlanNote[] {
  return migrations.flatMap(({ version, steps }) =>
    steps.flatMap((step) =>
      notes(step).map((message) => ({
        ...{ version, code },
        step: step.number,
        message: `${version} step ${step.number}: ${message}`,
      })),
    ),
  )
}

function newest(versions: readonly (string | null)[]): string | null {
  return (
    versions
      .filter((version) => version !== null)
      .sort()
      .at(-1) ?? null
  )
}

async function measureLatency(api: ChromaApi, signal: AbortSignal): Promise<number> {
  const began = performance.now()
  await api.heartbeat(signal)
  return performance.now() - began
}
