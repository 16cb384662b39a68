import { durationOf } from '../../core/duration.js'
import type { Metadata } from '../../core/metadata.js'
import { KEEP_UNTIL_KEY, TRASH_KEY } from '../../core/migration-keys.js'
import type { CollectionDefinition } from '../../core/records.js'
import { nameWithSuffix } from '../../transfer/shadow-name.js'
import type { StepOutcome, Undo } from '../step-outcome.js'
import type { Step } from '../step.js'
import { renameCollection } from './rename.js'
import {
  collectionById,
  facts,
  nothingDone,
  readJournal,
  refOf,
  shortHash,
  sourceOf,
  type StepTools,
} from './step-tools.js'

/** Renames the collection into the trash; nothing of it is lost until `migrate complete`. */
export async function dropStep(
  step: Extract<Step, { readonly kind: 'drop' }>,
  tools: StepTools,
): Promise<StepOutcome> {
  const begun = readJournal(tools)
  const collection = await sourceOf(tools, step.collection, begun.text('id'))
  const keepUntil = begun.text('id') === null ? endOf(step.keep, tools.now()) : begun.text('keepUntil')
  await tools.journal.put(facts({ kind: 'drop', id: collection.id, keepUntil }))
  const trashed = await moveToTrash(tools, collection, keepUntil)
  const records = await tools.api.count(trashed, tools.signal)
  return {
    ...nothingDone,
    records,
    undo: { kind: 'untrash', collection: refOf(trashed), name: step.collection, keepUntil },
  }
}

/** The collection under its name in the trash; one that is there already stays as it is. */
export async function moveToTrash(
  tools: StepTools,
  collection: CollectionDefinition,
  keepUntil: string | null,
): Promise<CollectionDefinition> {
  const { version } = tools
  if (collection.metadata?.has(TRASH_KEY) === true) return collection
  const name = nameWithSuffix(collection.name, `.trash-${shortHash(collection.id, version)}`)
  const metadata: Metadata = new Map([
    ...(collection.metadata ?? []),
    [TRASH_KEY, version],
    ...(keepUntil === null ? [] : [[KEEP_UNTIL_KEY, keepUntil] as const]),
  ])
  return renameCollection(tools, collection, name, metadata)
}

/** Brings a dropped collection back. Rejects with a MigrationError `NAME_TAKEN` when its name was given away. */
export async function untrash(
  undo: Extract<Undo, { readonly kind: 'untrash' }>,
  tools: StepTools,
): Promise<StepOutcome> {
  const collection = await collectionById(tools, undo.collection)
  const metadata = withoutMarkers(collection.metadata)
  await renameCollection(tools, collection, undo.name, metadata)
  return { ...nothingDone, records: await tools.api.count(collection, tools.signal) }
}

/** When something that is kept for so long from now may go, ISO 8601; null: never. */
export function endOf(keep: string, now: Date): string | null {
  if (keep === 'forever') return null
  return new Date(now.getTime() + durationOf(keep)).toISOString()
}

function withoutMarkers(metadata: Metadata | null): Metadata | null {
  const left = [...(metadata ?? [])].filter(([key]) => key !== TRASH_KEY && key !== KEEP_UNTIL_KEY)
  return left.length === 0 ? null : new Map(left)
}
