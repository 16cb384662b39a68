import { hash } from 'node:crypto'
import { mkdir, open, readFile, rename, rm } from 'node:fs/promises'
import path from 'node:path'

import * as v from 'valibot'

import { isErrno } from '../core/errors.js'
import { displayName, type CollectionName } from '../core/records.js'

/**
 * Which collections a restore has built, by the ids that the server gave them. A collection keeps its id when
 * it gets its final name, so a later run knows it as the work of this one. Without a journal, only
 * collections that are still being built tell of an interrupted run.
 */
export class RestoreJournal {
  readonly #file: string | null
  readonly #ids: Map<string, string>

  private constructor(file: string | null, ids: Map<string, string>) {
    this.#file = file
    this.#ids = ids
  }

  /** `stateDir` null: nothing is kept. A file that cannot be understood counts as absent. */
  static async open(stateDir: string | null, origin: string, url: string): Promise<RestoreJournal> {
    if (stateDir === null) return new RestoreJournal(null, new Map())
    const key = hash('sha256', JSON.stringify([origin, url]), 'hex').slice(0, 16)
    const file = path.join(stateDir, `restore-${key}.json`)
    return new RestoreJournal(file, new Map(Object.entries(await read(file))))
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
    if (this.#ids.get(displayName(target)) === id) return
    this.#ids.set(displayName(target), id)
    if (this.#file !== null) await replaceFile(this.#file, JSON.stringify(Object.fromEntries(this.#ids)))
  }

  /** The restore is finished; the next one starts anew. */
  async clear(): Promise<void> {
    this.#ids.clear()
    if (this.#file !== null) await rm(this.#file, { force: true })
  }
}

const journalSchema = v.record(v.string(), v.string())

async function read(file: string): Promise<Record<string, string>> {
  try {
    const parsed = v.safeParse(journalSchema, JSON.parse(await readFile(file, 'utf8')))
    return parsed.success ? parsed.output : {}
  } catch (error) {
    if (isErrno(error, 'ENOENT') || error instanceof SyntaxError) return {}
    throw error
  }
}

async function replaceFile(file: string, text: string): Promise<void> {
  await mkdir(path.dirname(file), { recursive: true })
  const temporary = `${file}.new`
  const handle = await open(temporary, 'w', 0o600)
  try {
    await handle.writeFile(text)
    await handle.sync()
  } finally {
    await handle.close()
  }
  await rename(temporary, file)
}
