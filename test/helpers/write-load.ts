import { setTimeout as pause } from 'node:timers/promises'

/** Ids with the version of each, by collection: what a server must have after so many operations. */
export type Versions = ReadonlyMap<string, ReadonlyMap<string, number>>

const DIMENSION = 8
const BASE = '/api/v2/tenants/default_tenant/databases/default_database/collections'

type Operation =
  | { readonly kind: 'upsert'; readonly ids: readonly string[]; readonly version: number }
  | { readonly kind: 'delete'; readonly ids: readonly string[] }

/**
 * One client that writes to some collections without a pause, each operation after the last has been
 * acknowledged. The index of each collection is saved every 25 writes. A vector tells the version of its record.
 */
export class WriteLoad {
  readonly #url: string
  readonly #ids = new Map<string, string>()
  readonly #done: { readonly collection: string; readonly operation: Operation }[] = []
  #issued = 0
  #running: Promise<void> | null = null
  #stopped = false

  private constructor(url: string) {
    this.#url = url
  }

  static async start(url: string, names: readonly string[]): Promise<WriteLoad> {
    const load = new WriteLoad(url)
    for (const name of names) {
      const configuration = { hnsw: { space: 'l2', sync_threshold: 25, batch_size: 10 } }
      const created = await post(`${url}${BASE}`, { name, configuration })
      load.#ids.set(name, idOf(created))
    }
    load.#running = load.#run(names)
    return load
  }

  /** Operations that have been acknowledged. */
  get acknowledged(): number {
    return this.#done.length
  }

  /** Operations that have been sent. */
  get issued(): number {
    return this.#issued
  }

  async stop(): Promise<void> {
    this.#stopped = true
    await this.#running
  }

  /** What there is after the first `count` operations. */
  after(count: number): Versions {
    const state = new Map([...this.#ids.keys()].map((name) => [name, new Map<string, number>()]))
    for (const { collection, operation } of this.#done.slice(0, count)) {
      const records = state.get(collection)
      for (const id of operation.ids)
        if (operation.kind === 'delete') records?.delete(id)
        else records?.set(id, operation.version)
    }
    return state
  }

  async #run(names: readonly string[]): Promise<void> {
    while (!this.#stopped) {
      const number = this.#issued
      const collection = names[number % names.length] ?? ''
      const operation = operationOf(number)
      this.#issued++
      const path = `${this.#url}${BASE}/${this.#ids.get(collection) ?? ''}/${operation.kind}`
      await post(path, bodyOf(operation))
      this.#done.push({ collection, operation })
      await pause(0)
    }
  }
}

/** Every record of a server with the version that its vector tells. */
export async function versionsOn(url: string): Promise<Versions> {
  const answer = await (await fetch(`${url}${BASE}`)).json()
  if (!Array.isArray(answer)) throw new Error('no collections')
  const state = new Map<string, Map<string, number>>()
  for (const one of answer.map(fieldsOf)) {
    const found = fieldsOf(
      await post(`${url}${BASE}/${String(one.get('id'))}/get`, { include: ['embeddings', 'documents'] }),
    )
    const [ids, vectors, documents] = ['ids', 'embeddings', 'documents'].map((key) => listOf(found.get(key)))
    const records = new Map<string, number>()
    for (const [row, id] of (ids ?? []).entries()) {
      const version = Number(listOf(vectors?.[row])[0])
      if (documents?.[row] !== documentOf(String(id), version)) throw new Error(`${String(id)} is mixed up`)
      records.set(String(id), version)
    }
    state.set(String(one.get('name')), records)
  }
  return state
}

/** Mostly new records; every fourth operation writes some again, every fifth deletes some, every tenth adds those again. */
function operationOf(number: number): Operation {
  const ids = (first: number, count: number) => Array.from({ length: count }, (_, n) => `r${first + n}`)
  const old = Math.max(0, (number - 40) * 5)
  if (number % 5 === 4) return { kind: 'delete', ids: ids(old, 5) }
  if (number % 10 === 7) return { kind: 'upsert', ids: ids(old - 20, 8), version: number }
  if (number % 4 === 2) return { kind: 'upsert', ids: ids(old + 60, 8), version: number }
  return { kind: 'upsert', ids: ids(number * 5, 10), version: number }
}

function bodyOf(operation: Operation): object {
  if (operation.kind === 'delete') return { ids: operation.ids }
  const { ids, version } = operation
  return {
    ids,
    embeddings: ids.map((id) => vectorOf(id, version)),
    documents: ids.map((id) => documentOf(id, version)),
  }
}

function vectorOf(id: string, version: number): number[] {
  const seed = Number(id.slice(1))
  return Array.from({ length: DIMENSION }, (_, n) => (n === 0 ? version : ((seed * (n + 7)) % 101) / 4))
}

function documentOf(id: string, version: number): string {
  return `${id} in version ${version}`
}

async function post(url: string, body: object): Promise<unknown> {
  const answer = await fetch(url, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(body),
  })
  const text = await answer.text()
  if (!answer.ok) throw new Error(`${url}: ${answer.status} ${text}`)
  return text === '' ? null : JSON.parse(text)
}

function idOf(created: unknown): string {
  return String(fieldsOf(created).get('id'))
}

function fieldsOf(value: unknown): ReadonlyMap<string, unknown> {
  if (typeof value !== 'object' || value === null) throw new Error('not an object')
  return new Map(Object.entries(value))
}

function listOf(value: unknown): readonly unknown[] {
  if (!Array.isArray(value)) throw new Error('not a list')
  return value
}
