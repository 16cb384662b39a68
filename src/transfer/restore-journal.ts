import { hash } from 'node:crypto'
import { mkdir, open, readFile, rm } from 'node:fs/promises'
import path from 'node:path'

import { isErrno } from '../core/errors.js'
import { isJsonArray, JsonSyntaxError, parseJson, type JsonValue } from '../core/json.js'
import { displayName, type CollectionName } from '../core/records.js'

/**
 * Which collections a restore has built, by the ids that the server gave them: one line of JSON each, in the
 * order of building. A collection keeps its id when it gets its final name, so a later run knows it as the
 * work of this one. Without a journal, only collections that are still being built tell of an interrupted
 * run.
 */
export class RestoreJournal {
  readonly #file: string | null
  readonly #ids: Map<string, string>

  private constructor(file: string | null, ids: Map<string, string>) {
    this.#file = file
    this.#ids = ids
  }

  /** `stateDir` null: nothing is kept. */
  static async open(stateDir: string | null, origin: string, url: string): Promise<RestoreJournal> {
    if (stateDir === null) return new RestoreJournal(null, new Map())
    const key = hash('sha256', JSON.stringify([origin, url]), 'hex').slice(0, 16)
    const file = path.join(stateDir, `restore-${key}.jsonl`)
    return new RestoreJournal(file, new Map((await linesOf(file)).flatMap(entryOf)))
  }

  /** The id of the collection that was built for this target; undefined when none was. */
  idOf(target: CollectionName): string | undefined {
    return this.#ids.get(displayName(target))
  }

  get isEmpty(): boolean {
    return this.#ids.size === 0
  }

  /** Durable when it resolves. */
  async record(target: CollectionName, id: string): Promise<void> {
    const name = displayName(target)
    if (this.#ids.get(name) === id) return
    this.#ids.set(name, id)
    if (this.#file !== null) await appendLine(this.#file, JSON.stringify([name, id]))
  }

  /** The restore is finished; the next one starts anew. */
  async clear(): Promise<void> {
    this.#ids.clear()
    if (this.#file !== null) await rm(this.#file, { force: true })
  }
}

async function linesOf(file: string): Promise<string[]> {
  try {
    return (await readFile(file, 'utf8')).split('\n')
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return []
    throw error
  }
}

/** A line that was cut off when the process was killed is no entry. */
function entryOf(line: string): readonly (readonly [string, string])[] {
  const value = jsonOf(line)
  if (!isJsonArray(value)) return []
  const [name, id] = value
  return typeof name === 'string' && typeof id === 'string' ? [[name, id]] : []
}

function jsonOf(line: string): JsonValue {
  try {
    return parseJson(line)
  } catch (error) {
    if (error instanceof JsonSyntaxError) return null
    throw error
  }
}

async function appendLine(file: string, line: string): Promise<void> {
  await mkdir(path.dirname(file), { recursive: true })
  const handle = await open(file, 'a', 0o600)
  try {
    // Begins with a line break: the last line of a killed process may be cut off.
    await handle.appendFile(`\n${line}`)
    await handle.sync()
  } finally {
    await handle.close()
  }
}
