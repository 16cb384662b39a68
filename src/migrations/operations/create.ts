import { ChromaConflictError } from '../../chroma/errors.js'
import { spaceOf } from '../../chroma/space.js'
import { isJsonObject, type JsonObject, type JsonValue } from '../../core/json.js'
import { displayName, type CollectionDefinition } from '../../core/records.js'
import { dropCollection, findById } from '../../transfer/commit-shadow.js'
import { nameWithSuffix } from '../../transfer/shadow-name.js'
import type { CreateOptions } from '../collection-operations.js'
import { MigrationError } from '../migration-error.js'
import type { StepOutcome } from '../step-outcome.js'
import type { Step } from '../step.js'
import { changedMetadata } from './collection-metadata.js'
import { renameCollection } from './rename.js'
import { differentSettings, settingsOf } from './settings.js'
import { stepHash } from './step-facts.js'
import {
  addressOf,
  checkNewName,
  facts,
  nameTaken,
  nothingDone,
  readJournal,
  refOf,
  shadowMarker,
  shortHash,
  type StepTools,
} from './step-tools.js'

type CreateStep = Extract<Step, { readonly kind: 'create' }>

/**
 * Creates a collection under a name of its own, looks at what the server has made, and gives it its name. So a
 * later run knows which one is its own, and nobody sees one that is not as asked for.
 */
export async function createStep(step: CreateStep, tools: StepTools): Promise<StepOutcome> {
  const { api, signal, journal } = tools
  checkNewName(step.collection)
  const wanted = wantedSettings(step.collection, step.options)
  const metadata = changedMetadata(step.collection, step.options.metadata ?? null, null, {
    isCloud: Number.isFinite(api.mostPerRequest),
  })
  const address = addressOf(tools, step.collection)
  const begun = await begunBefore(tools)
  const live = await api.findCollection(address, signal)
  if (live !== undefined && live.id !== begun?.id) throw nameTaken(address)
  const collection = live ?? (await shadow(tools, step, wanted, begun))
  if (live === undefined) {
    await journal.put(facts({ kind: 'create', id: collection.id }))
    await renameCollection(tools, collection, step.collection, metadata)
  }
  const created = { ...collection, name: step.collection }
  return { ...nothingDone, undo: { kind: 'dropCreated', collections: [refOf(created)] } }
}

/** What an earlier run of this step has created, under whatever name. */
async function begunBefore(tools: StepTools): Promise<CollectionDefinition | undefined> {
  const id = readJournal(tools).text('id')
  return id === null ? undefined : findById(tools.api, tools, id, tools.signal)
}

async function shadow(
  tools: StepTools,
  step: CreateStep,
  wanted: JsonObject,
  begun: CollectionDefinition | undefined,
): Promise<CollectionDefinition> {
  const { api, version, signal } = tools
  const run = shortHash(version, stepHash(step))
  const address = addressOf(tools, nameWithSuffix(step.collection, `.migrate-${run}`))
  const marker = shadowMarker(tools, run, step.collection)
  // Asked for otherwise before the file was mended.
  if (begun !== undefined && begun.name !== address.name) await dropCollection(api, begun, signal)
  await tools.journal.put(facts({ kind: 'create', shadow: address.name }))
  const found = await api.findCollection(address, signal)
  const collection =
    found ??
    (await createCollection(tools, { ...address, metadata: marker, configuration: wanted, schema: null }))
  const problem = problemWith(wanted, collection)
  if (problem === null) return collection
  await dropCollection(api, collection, signal)
  throw new MigrationError('NOT_KEPT', `${displayName(addressOf(tools, step.collection))}: ${problem}`)
}

async function createCollection(
  { api, signal }: StepTools,
  spec: Parameters<StepTools['api']['createCollection']>[0],
): Promise<CollectionDefinition> {
  try {
    return await api.createCollection(spec, signal)
  } catch (error) {
    if (error instanceof ChromaConflictError) throw nameTaken(spec, error)
    throw error
  }
}

/** A single node makes an `hnsw` index where `spann` is asked for: only its space counts then. */
function problemWith(wanted: JsonObject, collection: CollectionDefinition): string | null {
  const space = wantedSpace(wanted)
  if (space !== undefined && spaceOf(collection) !== space)
    return `this server makes its space ${spaceOf(collection)} instead of ${JSON.stringify(space)}`
  const ignored = differentSettings(wanted, collection).filter(({ path }) => !path.startsWith('spann'))
  if (ignored.length === 0) return null
  return `settings that this server does not keep: ${ignored.map(({ path }) => path).join(', ')}`
}

function wantedSettings(name: string, { configuration, space }: CreateOptions): JsonObject {
  const settings = settingsOf(name, configuration ?? {})
  if (space === undefined) return settings
  if (!['l2', 'cosine', 'ip'].includes(space))
    throw new MigrationError('OPERATION_REFUSED', `${name}: ${JSON.stringify(space)} is no space`)
  const group = settings.has('spann') ? 'spann' : 'hnsw'
  const inner = settings.get(group) ?? null
  const index = new Map<string, JsonValue>([...(isJsonObject(inner) ? inner : []), ['space', space]])
  return new Map([...settings, [group, index]])
}

function wantedSpace(wanted: JsonObject): JsonValue | undefined {
  const groups = [wanted.get('hnsw'), wanted.get('spann')]
  return groups.flatMap((group) => (isJsonObject(group) ? [group.get('space')] : [])).at(0)
}
