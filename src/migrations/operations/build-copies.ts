import { SpaceNotKeptError } from '../../chroma/create-like.js'
import { SHADOW_KEY } from '../../core/shadow-key.js'
import { dropCollection, findById } from '../../transfer/commit-shadow.js'
import { MigrationError, type MigrationErrorCode } from '../migration-error.js'
import type { StepOutcome } from '../step-outcome.js'
import type { CopyPlan } from './copy-plan.js'
import {
  openTargets,
  readCopyJournal,
  resultMetadata,
  writeCopyJournal,
  type CopyTarget,
} from './copy-targets.js'
import { fillCopies, verifyCopies } from './fill-copies.js'
import { renameCollection } from './rename.js'
import { dropShadow, nothingDone, refOf, type StepTools } from './step-tools.js'

/** After these what was built is of no use: the migration itself has to change. */
const USELESS: readonly MigrationErrorCode[] = [
  'FUNCTION_FAILED',
  'BAD_RECORD',
  'TEXT_MISSING',
  'OPERATION_REFUSED',
  'CHANGED_MEANWHILE',
]

/**
 * Builds new collections under names of their own, compares them with what they are to be, and gives them
 * their names, which is when they are seen. A run that died is continued. When the migration itself is wrong,
 * what was built is removed; when a server or a provider failed, it stays for the next run.
 */
export async function buildCopies(
  plan: CopyPlan,
  tools: StepTools,
  /** What else is to hold before they get their names. */
  inspect: (targets: readonly CopyTarget[]) => Promise<void> = async () => {},
): Promise<StepOutcome> {
  const { targets, notes } = await openTargets(plan, tools)
  const open = targets.filter(({ committed }) => !committed)
  if (!readCopyJournal(tools).verified) {
    try {
      await fillCopies(plan, tools, open)
      await verifyCopies(plan, tools, open)
      await inspect(open)
    } catch (error) {
      if (isUseless(error)) await dropShadows(tools)
      throw error
    }
    await writeCopyJournal(tools, plan, targets, true)
  }
  const [source] = plan.sources
  const metadata = source === undefined ? null : resultMetadata(source, plan.map)
  for (const { name, collection } of open) await renameCollection(tools, collection, name, metadata)
  let records = 0
  for (const { collection } of targets) records += await tools.api.count(collection, tools.signal)
  return {
    ...nothingDone,
    undo: {
      kind: 'dropCreated',
      collections: targets.map(({ name, collection }) => refOf({ ...collection, name })),
    },
    records,
    embedded: plan.map?.embedded ?? 0,
    notes,
  }
}

/** Drops what was being built and has not got its name yet. May be repeated. */
export async function dropShadows(tools: StepTools): Promise<void> {
  const { ids, shadows } = readCopyJournal(tools)
  for (const name of shadows) await dropShadow(tools, name)
  for (const id of ids.values()) {
    const found = await findById(tools.api, tools, id, tools.signal)
    if (found?.metadata?.has(SHADOW_KEY) === true) await dropCollection(tools.api, found, tools.signal)
  }
}

function isUseless(error: unknown): boolean {
  if (error instanceof SpaceNotKeptError) return true
  return error instanceof MigrationError && USELESS.includes(error.code)
}
