import { fromPlain, type JsonValue } from '../../core/json.js'
import { maskSecrets } from '../../core/mask-secrets.js'
import { STATE_KEY, STATE_NAME } from '../../core/migration-keys.js'
import type { StepJournal, WriteGuard } from '../step-journal.js'
import type { MigrationRow } from './row.js'
import { rowToJson } from './row-json.js'
import { StateRecords } from './state-records.js'
import {
  ENVIRONMENT_ID,
  EVENT_PREFIX,
  eventToJson,
  findState,
  readContents,
  ROW_PREFIX,
  STATE_FORMAT,
  type StateContents,
  type StateEvent,
  type StatePlace,
} from './state-store.js'

/** The lock. Its loss also ends a write that is under way; the run's own signal does not: what is done is recorded. */
export interface StateGuard extends WriteGuard {
  readonly lost?: AbortSignal
}

/**
 * The state for the run that holds the lock: read again, as it is now. Creates the collection when there is none,
 * so it is called only when something will be written. Rejects like `readState`, and with a LockLostError (11).
 */
export async function openState(
  place: StatePlace,
  guard: StateGuard,
  signal?: AbortSignal,
): Promise<StateWriter> {
  const { api, tenant, database } = place
  const found = await findState(place, signal)
  const contents = { exists: false, rows: [], environment: null }
  if (found !== null) {
    const records = new StateRecords(api, found)
    return new StateWriter(records, guard, await readContents(records, signal), await records.ids(signal))
  }
  await guard.check()
  const metadata = new Map([[STATE_KEY, STATE_FORMAT]])
  const spec = { tenant, database, name: STATE_NAME, metadata, configuration: null, schema: null }
  return new StateWriter(new StateRecords(api, await api.createCollection(spec, signal)), guard, contents, [])
}

/** One write at a time, each only while the lock is held; what is written is durable when the promise resolves. */
export class StateWriter {
  readonly #records: StateRecords
  readonly #guard: StateGuard
  readonly #rows: Map<string, MigrationRow>
  /** The last number of each version and attempt. */
  readonly #events = new Map<string, number>()
  #environment: string | null
  #last: Promise<unknown> = Promise.resolve()

  constructor(records: StateRecords, guard: StateGuard, contents: StateContents, ids: readonly string[]) {
    this.#records = records
    this.#guard = guard
    this.#rows = new Map(contents.rows.map((row) => [row.version, row]))
    this.#environment = contents.environment
    for (const id of ids) this.#countEvent(id)
  }

  /** As they are now, by version. */
  get rows(): readonly MigrationRow[] {
    return [...this.#rows.values()].sort((a, b) => (a.version < b.version ? -1 : 1))
  }

  get environment(): string | null {
    return this.#environment
  }

  row(version: string): MigrationRow | null {
    return this.#rows.get(version) ?? null
  }

  async putRow(row: MigrationRow): Promise<void> {
    await this.#inTurn(async () => this.#write(row))
  }

  /** Changes what is there when its turn comes: steps write their progress meanwhile. */
  async updateRow(version: string, change: (row: MigrationRow) => MigrationRow): Promise<void> {
    await this.#inTurn(async () => {
      const row = this.#rows.get(version)
      if (row === undefined) throw new Error(`there is no row of ${version}`)
      await this.#write(change(row))
    })
  }

  /** Its events stay. */
  async removeRow(version: string): Promise<void> {
    await this.#inTurn(async () => {
      await this.#records.remove(`${ROW_PREFIX}${version}`, this.#guard.lost)
      this.#rows.delete(version)
    })
  }

  /** Numbered here. Rejects with a StateConflictError (11) when another run has written it. */
  async addEvent(event: Omit<StateEvent, 'seq'>): Promise<void> {
    await this.#inTurn(async () => {
      const key = `${event.version}:${event.attempt}`
      const seq = (this.#events.get(key) ?? 0) + 1
      this.#events.set(key, seq)
      const message = maskSecrets(event.message)
      const json = eventToJson({ ...event, message, seq })
      await this.#records.add(eventId(key, seq), json, this.#guard.lost)
    })
  }

  async setEnvironment(environment: string): Promise<void> {
    await this.#inTurn(async () => {
      await this.#records.put(ENVIRONMENT_ID, fromPlain({ environment }), this.#guard.lost)
      this.#environment = environment
    })
  }

  /** The memory of one step of a row that was put before; `step` counts from 0. */
  journalOf(version: string, step: number): StepJournal {
    return {
      read: () => this.#rows.get(version)?.steps[step]?.progress ?? null,
      put: (progress) => this.updateRow(version, (row) => withProgress(row, step, progress)),
    }
  }

  /** Whoever may read the database can read this: what a migration threw may have named a key. */
  async #write(given: MigrationRow): Promise<void> {
    const { error } = given
    const row = { ...given, error: error && { ...error, message: maskSecrets(error.message) } }
    await this.#records.put(`${ROW_PREFIX}${row.version}`, rowToJson(row), this.#guard.lost)
    this.#rows.set(row.version, row)
  }

  /** A write that failed does not keep the next one from being tried. */
  async #inTurn(write: () => Promise<void>): Promise<void> {
    const turn = this.#last.then(async () => {
      await this.#guard.check()
      await write()
    })
    this.#last = turn.catch(() => {})
    await turn
  }

  #countEvent(id: string): void {
    const [, version, attempt, seq] = EVENT_ID.exec(id) ?? []
    if (version === undefined || attempt === undefined) return
    const key = `${version}:${attempt}`
    this.#events.set(key, Math.max(Number(seq), this.#events.get(key) ?? 0))
  }
}

const EVENT_ID = /^e:([^:]+):(\d+):(\d+)$/

function eventId(key: string, seq: number): string {
  return `${EVENT_PREFIX}${key}:${String(seq).padStart(5, '0')}`
}

function withProgress(row: MigrationRow, step: number, progress: JsonValue): MigrationRow {
  if (row.steps[step] === undefined) throw new Error(`${row.version} has no step ${step + 1}`)
  return { ...row, steps: row.steps.map((old, at) => (at === step ? { ...old, progress } : old)) }
}
