import type { ChromaApi } from '../../chroma/api.js'
import { fromPlain, isJsonObject, toPlain } from '../../core/json.js'
import { STATE_KEY, STATE_NAME } from '../../core/migration-keys.js'
import type { CollectionDefinition } from '../../core/records.js'
import * as v from 'valibot'
import type { MigrationRow } from './row.js'
import { rowFromJson } from './row-json.js'
import { StateDamagedError, StateForeignError, StateUnsupportedError } from './state-errors.js'
import { StateRecords, type StateRecord } from './state-records.js'

/** Of the collection and of what is in it. */
export const STATE_FORMAT = 1n

export const ROW_PREFIX = 'm:'
export const EVENT_PREFIX = 'e:'
export const ENVIRONMENT_ID = 's:environment'

export interface StatePlace {
  readonly api: ChromaApi
  readonly tenant: string
  readonly database: string
}

/** What a database knows of its migrations. */
export interface StateContents {
  /** False: nobody has ever migrated this database, or everything was reset. */
  readonly exists: boolean
  /** By version. */
  readonly rows: readonly MigrationRow[]
  /** What the database is stamped as, such as `production`. */
  readonly environment: string | null
}

/** Something that happened. Written once, never changed. */
export interface StateEvent {
  readonly version: string
  readonly attempt: number
  /** From 1, within version and attempt. */
  readonly seq: number
  /** ISO 8601. */
  readonly at: string
  /** `started`, `step`, `applied`, `failed`, … */
  readonly event: string
  readonly message: string
  readonly actor: string
  readonly runId: string
}

/**
 * Reads only, and creates nothing; two requests for a short history. Rejects with a {@link StateForeignError} (15),
 * a {@link StateUnsupportedError} (16) or a {@link StateDamagedError} (13).
 */
export async function readState(place: StatePlace, signal?: AbortSignal): Promise<StateContents> {
  const collection = await findState(place, signal)
  if (collection === null) return { exists: false, rows: [], environment: null }
  return readContents(new StateRecords(place.api, collection), signal)
}

/** The history of one migration, or of all (null), in the order in which it was written. Reads only. */
export async function readEvents(
  place: StatePlace,
  version: string | null,
  signal?: AbortSignal,
): Promise<readonly StateEvent[]> {
  const collection = await findState(place, signal)
  if (collection === null) return []
  const prefix = version === null ? EVENT_PREFIX : `${EVENT_PREFIX}${version}:`
  return (await new StateRecords(place.api, collection).read([prefix], signal)).map(eventOf)
}

export async function readContents(records: StateRecords, signal?: AbortSignal): Promise<StateContents> {
  const found = await records.read([ROW_PREFIX, ENVIRONMENT_ID], signal)
  const rows = found.filter(({ id }) => id.startsWith(ROW_PREFIX)).map(rowOf)
  const stamp = found.find(({ id }) => id === ENVIRONMENT_ID)
  return {
    exists: true,
    rows: rows.sort((a, b) => (a.version < b.version ? -1 : a.version > b.version ? 1 : 0)),
    environment: stamp === undefined ? null : environmentOf(stamp),
  }
}

/** Null: there is none. */
export async function findState(
  { api, tenant, database }: StatePlace,
  signal?: AbortSignal,
): Promise<CollectionDefinition | null> {
  const found = await api.findCollection({ tenant, database, name: STATE_NAME }, signal)
  if (found === undefined) return null
  const format = found.metadata?.get(STATE_KEY)
  if (typeof format !== 'bigint') throw new StateForeignError()
  if (format > STATE_FORMAT) throw new StateUnsupportedError('state', format)
  return found
}

function rowOf({ id, value }: StateRecord): MigrationRow {
  return rowFromJson(id, value)
}

const eventSchema = v.object({
  version: v.string(),
  attempt: v.number(),
  seq: v.number(),
  at: v.string(),
  event: v.string(),
  message: v.string(),
  actor: v.string(),
  runId: v.string(),
})

function eventOf({ id, value }: StateRecord): StateEvent {
  const event = v.safeParse(eventSchema, toPlain(value))
  if (!event.success) throw new StateDamagedError(id, 'is not an event')
  return event.output
}

function environmentOf({ id, value }: StateRecord): string {
  const environment = isJsonObject(value) ? value.get('environment') : undefined
  if (typeof environment !== 'string') throw new StateDamagedError(id, 'names no environment')
  return environment
}

export function eventToJson(event: StateEvent): StateRecord['value'] {
  return fromPlain(event)
}
