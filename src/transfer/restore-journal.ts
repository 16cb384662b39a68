import { hash } from 'node:crypto'
import { mkdir, open, readFile, rm } from 'node:fs/promises'
import path from 'node:path'

import { isErrno } from '../core/errors.js'
import { isJsonArray, JsonSyntaxError, parseJson, type JsonValue } from '../core/json.js'
import { displayName, type CollectionName } from '../core/records.js'

/**
 * The collections that a restore has built, by the ids that the server gave them: one line of JSON each. A
 * collection keeps its id when it gets its final name, so a later run knows it as the work of this one.
 * Without a journal, only collections that are still being built tell of an interrupted run.
 */
export class RestoreJournal {
  readonly #file: string | null
  readonly #ids: Set<string>

  private constructor(file: string | null, ids: Set<string>) {
    this.#file = file
    this.#ids = ids
  }

  /** `stateDir` null: nothing is kept. `kind`: what the file is called after; a journal each. */
  static async open(
    stateDir: string | null,
    origin: string,
    kind: 'restore' | 'copy' | 'copied' = 'restore',
  ): Promise<RestoreJournal> {
    if (stateDir === null) return new RestoreJournal(null, new Set())
    const file = path.join(stateDir, `${kind}-${hash('sha256', origin, 'hex').slice(0, 16)}.jsonl`)
    return new RestoreJournal(file, new Set((await linesOf(file)).flatMap(idOf)))
  }

  /** Whether the collection with this id was built by this restore. */
  has(id: string): boolean {
    return this.#ids.has(id)
  }

  /** Durable when it resolves. */
  async record(target: CollectionName, id: string): Promise<void> {
    if (this.#ids.has(id)) return
    this.#ids.add(id)
    // The name is for people who read the file.
    if (this.#file !== null) await appendLine(this.#file, JSON.stringify([id, displayName(target)]))
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
function idOf(line: string): readonly string[] {
  const value = jsonOf(line)
  const id = isJsonArray(value) ? value[0] : undefined
  return typeof id === 'string' ? [id] : []
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
