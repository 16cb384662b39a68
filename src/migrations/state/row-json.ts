import * as v from 'valibot'

import {
  fromPlain,
  isJsonArray,
  isJsonObject,
  toPlain,
  type JsonObject,
  type JsonValue,
} from '../../core/json.js'
import type { Undo } from '../step-outcome.js'
import type { MigrationRow, StepRow } from './row.js'
import { StateDamagedError } from './state-errors.js'

const ROW_STATUSES = [
  'running',
  'interrupted',
  'failed',
  'applied',
  'reverted',
  'skipped',
  'baseline',
] as const

const rowSchema = v.object({
  version: v.string(),
  name: v.string(),
  status: v.picklist(ROW_STATUSES),
  checksum: v.string(),
  direction: v.picklist(['up', 'down']),
  attempt: v.number(),
  runId: v.string(),
  lockId: v.string(),
  actor: v.string(),
  host: v.string(),
  toolVersion: v.string(),
  serverVersion: v.string(),
  startedAt: v.string(),
  finishedAt: v.nullable(v.string()),
  backup: v.nullable(
    v.object({
      repository: v.string(),
      id: v.string(),
      collections: v.array(v.string()),
      beforeStep: v.number(),
    }),
  ),
  touched: v.nullable(v.array(v.string())),
  fingerprints: v.array(
    v.object({
      name: v.string(),
      id: v.nullable(v.string()),
      dimension: v.nullable(v.number()),
      space: v.string(),
      count: v.number(),
    }),
  ),
  error: v.nullable(v.object({ code: v.string(), message: v.string() })),
})

const stepSchema = v.object({
  hash: v.string(),
  title: v.string(),
  state: v.picklist(['running', 'done']),
  notes: v.array(v.string()),
})

/** What steps have put there, and what `undo` puts back, keeps its types; everything else is plain. */
export function rowToJson(row: MigrationRow): JsonValue {
  return withMember(fromPlain({ ...row, steps: [] }), 'steps', row.steps.map(stepToJson))
}

/** Throws a {@link StateDamagedError}. Members that are not known are left out: a later release may add some. */
export function rowFromJson(id: string, json: JsonValue): MigrationRow {
  const object = isJsonObject(json) ? json : new Map<string, JsonValue>()
  const row = v.safeParse(rowSchema, toPlain(withMember(object, 'steps', [])))
  const steps = object.get('steps')
  if (!row.success || steps === undefined || !isJsonArray(steps))
    throw new StateDamagedError(id, 'is not a migration')
  return { ...row.output, steps: steps.map((step) => stepFromJson(id, step)) }
}

function stepToJson({ progress, undo, ...step }: StepRow): JsonValue {
  const json = withMember(fromPlain(step), 'progress', progress)
  return withMember(json, 'undo', undo === null ? null : undoToJson(undo))
}

function stepFromJson(id: string, json: JsonValue): StepRow {
  const object = isJsonObject(json) ? json : new Map<string, JsonValue>()
  const step = v.safeParse(stepSchema, toPlain(object))
  if (!step.success) throw new StateDamagedError(id, 'holds a step that is none')
  const undo = object.get('undo') ?? null
  return { ...step.output, progress: object.get('progress') ?? null, undo: undoFromJson(id, undo) }
}

/** These are JSON as the server gave it; everything else in an `undo` is plain. */
const LOSSLESS = ['previous', 'applied']

function undoToJson(undo: Undo): JsonValue {
  const json = fromPlain({ ...undo, previous: null, applied: null })
  let whole = isJsonObject(json) ? json : new Map<string, JsonValue>()
  for (const key of LOSSLESS) if (!(key in undo)) whole = without(whole, key)
  if ('previous' in undo) whole = withMember(whole, 'previous', undo.previous)
  return 'applied' in undo ? withMember(whole, 'applied', undo.applied) : whole
}

function undoFromJson(id: string, json: JsonValue): Undo | null {
  if (json === null) return null
  const object = isJsonObject(json) ? json : new Map<string, JsonValue>()
  const lossless = [...object].filter(([key]) => LOSSLESS.includes(key))
  const undo: unknown = { ...asRecord(toPlain(object)), ...Object.fromEntries(lossless) }
  if (!isUndo(undo)) throw new StateDamagedError(id, 'holds a way back that is not known')
  return undo
}

/** What each kind must hold at least; its text members are checked where they are used. */
const UNDO_MEMBERS: Readonly<Record<Undo['kind'], readonly string[]>> = {
  dropCreated: ['collections'],
  rename: ['collection', 'from'],
  setMetadata: ['collection', 'previous', 'applied'],
  setConfiguration: ['collection', 'previous'],
  swapBack: ['live', 'kept', 'keepUntil', 'newVectors', 'ledger'],
  untrash: ['collection', 'name', 'keepUntil'],
  code: ['name'],
}

function isUndo(value: unknown): value is Undo {
  if (typeof value !== 'object' || value === null || !('kind' in value)) return false
  const members = Object.entries(UNDO_MEMBERS).find(([kind]) => kind === value.kind)?.[1]
  return members?.every((member) => member in value) ?? false
}

function withMember(json: JsonValue, key: string, member: JsonValue): JsonObject {
  return new Map([...(isJsonObject(json) ? json : []), [key, member]])
}

function without(object: JsonObject, key: string): JsonObject {
  return new Map([...object].filter(([other]) => other !== key))
}

function asRecord(plain: unknown): object {
  return typeof plain === 'object' && plain !== null ? plain : {}
}
