import type { JsonValue } from '../../core/json.js'
import { metadataFromJson, metadataToJson } from '../../core/metadata-json.js'
import type { Metadata } from '../../core/metadata.js'
import { displayName, type CollectionDefinition } from '../../core/records.js'
import { asError, OpsError } from '../../core/errors.js'
import { MigrationError } from '../migration-error.js'
import type { StepOutcome, Undo } from '../step-outcome.js'
import type { Step } from '../step.js'
import { changedMetadata } from './collection-metadata.js'
import { sameMetadata, shownMetadata } from './metadata-view.js'
import {
  collectionById,
  facts,
  nothingDone,
  readJournal,
  refOf,
  sourceOf,
  type StepTools,
} from './step-tools.js'

/** Rejects with a {@link MigrationError} for what must not be set, or when the server has not set it. */
export async function setMetadataStep(
  step: Extract<Step, { readonly kind: 'setMetadata' }>,
  tools: StepTools,
): Promise<StepOutcome> {
  const begun = readJournal(tools)
  const collection = await sourceOf(tools, step.collection, begun.text('id'))
  const earlier = plannedBefore(begun.value('previous'), begun.value('next'))
  const isDone = earlier !== null && sameMetadata(collection.metadata, earlier.next)
  const plan = isDone
    ? earlier
    : { previous: collection.metadata, next: changeOf(step, collection, isCloud(tools)) }
  await tools.journal.put(
    facts({
      kind: 'setMetadata',
      id: collection.id,
      previous: jsonOf(plan.previous),
      next: jsonOf(plan.next),
    }),
  )
  await putMetadata(tools, collection, plan.next)
  return {
    ...nothingDone,
    undo: {
      kind: 'setMetadata',
      collection: refOf(collection),
      previous: jsonOf(plan.previous),
      applied: jsonOf(plan.next),
    },
  }
}

/** Keys that somebody else has changed since stay as they are, and are told. */
export async function undoSetMetadata(
  undo: Extract<Undo, { readonly kind: 'setMetadata' }>,
  tools: StepTools,
): Promise<StepOutcome> {
  const collection = await collectionById(tools, undo.collection)
  const [previous, applied] = [mapOf(undo.previous), mapOf(undo.applied)]
  const result = new Map(collection.metadata ?? [])
  const kept: string[] = []
  for (const key of new Set([...previous.keys(), ...applied.keys()])) {
    const [before, after, now] = [previous.get(key), applied.get(key), result.get(key)]
    if (same(before, after) || same(now, before)) continue
    if (!same(now, after)) kept.push(key)
    else if (before === undefined) result.delete(key)
    else result.set(key, before)
  }
  await putMetadata(tools, collection, result.size === 0 ? null : result)
  const notes =
    kept.length === 0
      ? []
      : [`${displayName(collection)}: metadata that was changed since stays: ${kept.join(', ')}`]
  return { ...nothingDone, notes }
}

function changeOf(
  { collection: name, change }: Extract<Step, { readonly kind: 'setMetadata' }>,
  { metadata }: CollectionDefinition,
  cloud: boolean,
): Metadata | null {
  try {
    const given: unknown = typeof change === 'function' ? change(shownMetadata(metadata) ?? {}) : change
    return changedMetadata(name, given, metadata, { isCloud: cloud })
  } catch (error) {
    if (error instanceof OpsError) throw error
    const cause = asError(error)
    throw new MigrationError('FUNCTION_FAILED', `setMetadata of ${name} failed: ${cause.message}`, { cause })
  }
}

/** Sends nothing when it is so already; what the server says afterwards is compared. */
async function putMetadata(
  { api, signal }: StepTools,
  collection: CollectionDefinition,
  metadata: Metadata | null,
): Promise<void> {
  if (sameMetadata(collection.metadata, metadata)) return
  await api.updateCollection(collection, { newMetadata: metadata }, signal)
  const found = await api.getCollection(collection, signal)
  if (found.id !== collection.id || !sameMetadata(found.metadata, metadata))
    throw new MigrationError(
      'NOT_KEPT',
      `${displayName(collection)} does not have the metadata that was set`,
      {
        hint: 'look whether an application sets it, too, then run it again',
      },
    )
}

/** A hosted server is the only one with limits on records for each request. */
function isCloud({ api }: StepTools): boolean {
  return Number.isFinite(api.mostPerRequest)
}

function plannedBefore(previous: JsonValue | undefined, next: JsonValue | undefined) {
  if (previous === undefined || next === undefined) return null
  return { previous: metadataFromJson(previous) ?? null, next: metadataFromJson(next) ?? null }
}

function jsonOf(metadata: Metadata | null): JsonValue {
  return metadata === null ? null : metadataToJson(metadata)
}

function mapOf(json: JsonValue): Metadata {
  return metadataFromJson(json) ?? new Map()
}

function same(a: unknown, b: unknown): boolean {
  return Object.is(a, b)
}
