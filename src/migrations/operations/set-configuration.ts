import { changeConfiguration } from '../../chroma/change-configuration.js'
import { ChromaInvalidRequestError } from '../../chroma/errors.js'
import { isJsonObject, type JsonObject, type JsonValue } from '../../core/json.js'
import { displayName, type CollectionDefinition } from '../../core/records.js'
import { MigrationError } from '../migration-error.js'
import type { StepOutcome, Undo } from '../step-outcome.js'
import type { Step } from '../step.js'
import { currentSettings, differentSettings, settingsOf } from './settings.js'
import {
  collectionById,
  facts,
  isEmpty,
  nothingDone,
  readJournal,
  refOf,
  sourceOf,
  type StepTools,
} from './step-tools.js'

/** What a server would refuse, or take and not act on, and what to do instead. */
const FIXED = new Map([
  ['space', 'changeSpace makes a copy with another one'],
  ['ef_construction', 'an index keeps it for life: create another collection and copy the records'],
  ['max_neighbors', 'an index keeps it for life, whatever the server says: create another collection'],
  ['M', 'an index keeps it for life: create another collection and copy the records'],
])

/** Rejects with a {@link MigrationError} for what cannot change in place, or when the server has not changed it. */
export async function setConfigurationStep(
  step: Extract<Step, { readonly kind: 'setConfiguration' }>,
  tools: StepTools,
): Promise<StepOutcome> {
  const begun = readJournal(tools)
  const wanted = settingsOf(step.collection, step.configuration)
  checkSettings(step.collection, wanted)
  const collection = await sourceOf(tools, step.collection, begun.text('id'))
  if (wanted.has('embedding_function')) await checkUnpopulated(tools, collection)
  // What an earlier run saw before its change: this one may see the change already.
  const previous = begun.value('previous') ?? currentSettings(wanted, collection)
  await tools.journal.put(facts({ kind: 'setConfiguration', id: collection.id, previous }))
  await putSettings(tools, collection, wanted)
  return { ...nothingDone, undo: { kind: 'setConfiguration', collection: refOf(collection), previous } }
}

export async function undoSetConfiguration(
  undo: Extract<Undo, { readonly kind: 'setConfiguration' }>,
  tools: StepTools,
): Promise<StepOutcome> {
  const collection = await collectionById(tools, undo.collection)
  if (isJsonObject(undo.previous)) await putSettings(tools, collection, withoutNulls(undo.previous))
  return nothingDone
}

function checkSettings(name: string, wanted: JsonObject): void {
  if (wanted.size === 0) throw refused(name, 'it is empty')
  for (const [group, settings] of wanted) {
    if (group === 'embedding_function') continue
    if (group !== 'hnsw' && group !== 'spann')
      throw refused(name, `"${group}" is no group of settings: hnsw, spann and embedding_function are`)
    if (!isJsonObject(settings)) throw refused(name, `"${group}" is no object`)
    for (const key of settings.keys()) {
      const advice = FIXED.get(key)
      if (advice !== undefined) throw refused(name, `${group}.${key} cannot change in place`, advice)
    }
  }
}

/** The server would take it, and search old vectors with queries of a new model. */
async function checkUnpopulated({ api, signal }: StepTools, collection: CollectionDefinition): Promise<void> {
  if (await isEmpty(api, collection, signal)) return
  throw refused(
    collection.name,
    'the embedding function cannot change while there are records, whose vectors are of the old one',
    'make new vectors with reembed, which changes it, too',
  )
}

async function putSettings(
  { api, signal }: StepTools,
  collection: CollectionDefinition,
  wanted: JsonObject,
): Promise<void> {
  if (differentSettings(wanted, collection).length === 0) return
  try {
    await changeConfiguration(api.transport, collection, wanted, signal)
  } catch (error) {
    if (!(error instanceof ChromaInvalidRequestError)) throw error
    throw new MigrationError('OPERATION_REFUSED', `configuration of ${collection.name}: ${error.message}`, {
      cause: error,
    })
  }
  const found = await api.getCollection(collection, signal)
  const ignored = differentSettings(wanted, found).map(
    ({ path, wanted: set, actual }) => `${path} is ${actual} instead of ${set}`,
  )
  if (ignored.length > 0)
    throw new MigrationError(
      'NOT_KEPT',
      `${displayName(collection)}: the server took the settings and did not make them: ${ignored.join('; ')}`,
    )
}

/** Where there was no setting there is none to go back to. */
function withoutNulls(json: JsonObject): JsonObject {
  const members = [...json].flatMap(([key, value]): [string, JsonValue][] => {
    if (value === null) return []
    return [[key, isJsonObject(value) && key !== 'embedding_function' ? withoutNulls(value) : value]]
  })
  return new Map(members)
}

function refused(name: string, problem: string, hint?: string): MigrationError {
  return new MigrationError('OPERATION_REFUSED', `configuration of ${name}: ${problem}`, { hint })
}
