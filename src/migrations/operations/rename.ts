import { ChromaConflictError } from '../../chroma/errors.js'
import type { Metadata } from '../../core/metadata.js'
import type { CollectionDefinition } from '../../core/records.js'
import type { StepOutcome, Undo } from '../step-outcome.js'
import type { Step } from '../step.js'
import {
  addressOf,
  checkNewName,
  collectionById,
  facts,
  nameTaken,
  nothingDone,
  readJournal,
  refOf,
  sourceOf,
  type StepTools,
} from './step-tools.js'

/** Rejects with a MigrationError `NAME_TAKEN`. */
export async function renameStep(
  step: Extract<Step, { readonly kind: 'rename' }>,
  tools: StepTools,
): Promise<StepOutcome> {
  checkNewName(step.to)
  const collection = await sourceOf(tools, step.collection, readJournal(tools).text('id'))
  await tools.journal.put(facts({ kind: 'rename', id: collection.id }))
  const renamed = await renameCollection(tools, collection, step.to)
  return { ...nothingDone, undo: { kind: 'rename', collection: refOf(renamed), from: step.collection } }
}

export async function undoRename(
  undo: Extract<Undo, { readonly kind: 'rename' }>,
  tools: StepTools,
): Promise<StepOutcome> {
  await renameCollection(tools, await collectionById(tools, undo.collection), undo.from)
  return nothingDone
}

/** In one request with its metadata, if that is given. One that has the name already keeps it. */
export async function renameCollection(
  tools: StepTools,
  collection: CollectionDefinition,
  name: string,
  metadata?: Metadata | null,
): Promise<CollectionDefinition> {
  const renamed = { ...collection, name, ...(metadata !== undefined && { metadata }) }
  if (collection.name === name && metadata === undefined) return renamed
  const change = {
    ...(collection.name !== name && { newName: name }),
    ...(metadata !== undefined && { newMetadata: metadata }),
  }
  try {
    await tools.api.updateCollection(collection, change, tools.signal)
  } catch (error) {
    if (error instanceof ChromaConflictError) throw nameTaken(addressOf(tools, name), error)
    throw error
  }
  return renamed
}
