import { hash } from 'node:crypto'

import type { ChromaApi } from '../../chroma/api.js'
import { CollectionNotFoundError } from '../../chroma/errors.js'
import { isJsonObject, type JsonValue } from '../../core/json.js'
import type { Metadata } from '../../core/metadata.js'
import { displayName, type CollectionDefinition, type CollectionName } from '../../core/records.js'
import { SHADOW_KEY } from '../../core/shadow-key.js'
import { dropCollection, findById } from '../../transfer/commit-shadow.js'
import { nameProblem } from '../../transfer/shadow-name.js'
import { MigrationError } from '../migration-error.js'
import type { CollectionRefJson, StepContext, StepOutcome } from '../step-outcome.js'

/** A step's outcome unless it says otherwise. */
export const nothingDone: StepOutcome = { undo: null, records: 0, embedded: 0, gapMs: null, notes: [] }

/** What a step works with; `api` asks the guard before every write. */
export type StepTools = StepContext

export function addressOf({ tenant, database }: StepTools, name: string): CollectionName {
  return { tenant, database, name }
}

export function refOf({ tenant, database, name, id }: CollectionDefinition): CollectionRefJson {
  return { tenant, database, name, id }
}

/** Eight hexadecimal digits, the same for the same parts. */
export function shortHash(...parts: readonly string[]): string {
  return hash('sha256', JSON.stringify(parts), 'hex').slice(0, 8)
}

/** The collection with this id, whatever its name is now. Rejects with a {@link CollectionNotFoundError}. */
export async function collectionById(
  { api, signal }: StepTools,
  ref: CollectionRefJson,
): Promise<CollectionDefinition> {
  const found = await findById(api, ref, ref.id, signal)
  if (found === undefined) throw new CollectionNotFoundError([ref.name])
  return found
}

/** The collection that a step works on: the one that it began with, or the one that has the name. */
export async function sourceOf(
  tools: StepTools,
  name: string,
  begun: string | null,
): Promise<CollectionDefinition> {
  const address = addressOf(tools, name)
  if (begun !== null) return collectionById(tools, { ...address, id: begun })
  return tools.api.getCollection(address, tools.signal)
}

/** Throws a {@link MigrationError} when Chroma, or what chroma-ops keeps, forbids a name for a new collection. */
export function checkNewName(name: string): void {
  const problem = nameProblem(name) ?? (isOwnName(name) ? 'such names are kept for chroma-ops itself' : null)
  if (problem !== null) throw new MigrationError('OPERATION_REFUSED', `collection name "${name}": ${problem}`)
}

function isOwnName(name: string): boolean {
  return name.startsWith('chroma-ops.') || /\.(migrate|trash|old|ledger|restore)-[0-9a-f]{8}$/.test(name)
}

export function nameTaken(address: CollectionName, cause?: unknown): MigrationError {
  return new MigrationError('NAME_TAKEN', `${displayName(address)} exists already`, {
    hint: 'choose another name, or rename or drop that collection in a step before',
    cause,
  })
}

/** What the journal of this step holds; empty when it was begun by no run. */
export function readJournal({ journal }: StepTools): JournalFacts {
  return new JournalFacts(journal.read())
}

/** A small object of JSON. */
export class JournalFacts {
  readonly #json: JsonValue

  constructor(json: JsonValue) {
    this.#json = json
  }

  text(key: string): string | null {
    const value = this.value(key)
    return typeof value === 'string' ? value : null
  }

  /** Undefined when it is not there. */
  value(key: string): JsonValue | undefined {
    return isJsonObject(this.#json) ? this.#json.get(key) : undefined
  }
}

/** JSON for the journal; members that are JSON already keep their types. */
export function facts(members: Readonly<Record<string, JsonValue>>): JsonValue {
  return new Map(Object.entries(members))
}

export async function isEmpty(api: ChromaApi, collection: CollectionDefinition, signal: AbortSignal) {
  return (await api.count(collection, signal)) === 0
}

/** The metadata of a collection until it is finished: whose it is, and what it will be. */
export function shadowMarker({ version }: StepTools, run: string, target: string): Metadata {
  return new Map([
    [SHADOW_KEY, run],
    ['chroma-ops:origin', `migration:${version}`],
    ['chroma-ops:target', target],
  ])
}

/** Drops a collection of this name if it is one that was being built. */
export async function dropShadow(tools: StepTools, name: string): Promise<void> {
  const found = await tools.api.findCollection(addressOf(tools, name), tools.signal)
  if (found?.metadata?.has(SHADOW_KEY) === true) await dropCollection(tools.api, found, tools.signal)
}
