const PAGE = 10_000

/** What a server says of its collections, by `tenant/database/name`: the definition, then each record in order. */
export type ServerContents = ReadonlyMap<string, readonly string[]>

/**
 * Everything that a server says of the collections of its tenants. Nothing of chroma-ops has read it, and
 * numbers stay the texts that the server sent; only the order of keys, which is different in every answer, is
 * made the same, and the ids of collections are left out, because no restore can keep them.
 */
export async function serverContents(
  url: string,
  tenants: readonly string[] = ['default_tenant'],
  /** Default: every one. */
  only?: string,
): Promise<ServerContents> {
  const contents = new Map<string, readonly string[]>()
  for (const tenant of tenants) {
    for (const { place, collection } of await collectionsOf(url, tenant, only)) {
      contents.set(`${tenant}/${collection.path}`, [
        collection.definition,
        ...(await recordsIn(`${place}/${collection.id}`)),
      ])
    }
  }
  return contents
}

/** Throws unless the contents are the same; names some of the differences. */
export function expectSameContents(actual: ServerContents, expected: ServerContents): void {
  const differences: string[] = []
  for (const name of new Set([...actual.keys(), ...expected.keys()])) {
    const [found = [], wanted = []] = [actual.get(name), expected.get(name)]
    for (let line = 0; line < Math.max(found.length, wanted.length); line++) {
      if (found[line] === wanted[line]) continue
      const [is = 'nothing', not = 'nothing'] = [found[line], wanted[line]]
      differences.push(
        `${name}, line ${line}:\n  is ${fromDifference(is, not)}\n  not ${fromDifference(not, is)}`,
      )
    }
  }
  if (differences.length > 0)
    throw new Error(`${differences.length} differences:\n${differences.slice(0, 3).join('\n')}`)
}

/** A text from a little before the place where it leaves the other one. */
function fromDifference(text: string, other: string): string {
  let at = 0
  while (at < text.length && text[at] === other[at]) at++
  return `…${text.slice(Math.max(0, at - 60), at + 200)}`
}

/** Drops every collection of a tenant. */
export async function dropCollections(url: string, tenant = 'default_tenant'): Promise<void> {
  for (const { place, collection } of await collectionsOf(url, tenant))
    await answered(`${place}/${encodeURIComponent(collection.name)}`, { method: 'DELETE' })
}

interface FoundCollection {
  /** Address of the collections of its database. */
  readonly place: string
  readonly collection: {
    readonly id: string
    readonly name: string
    /** `database/name`. */
    readonly path: string
    readonly definition: string
  }
}

async function collectionsOf(url: string, tenant: string, only?: string): Promise<FoundCollection[]> {
  const databases = `${url}/api/v2/tenants/${encodeURIComponent(tenant)}/databases`
  const found: FoundCollection[] = []
  for (const database of listOf(await answered(databases))) {
    const name = textOf(fieldOf(database, 'name'))
    if (only !== undefined && name !== only) continue
    const place = `${databases}/${encodeURIComponent(name)}/collections`
    for (const definition of listOf(await answered(`${place}?limit=1000`))) {
      const id = textOf(fieldOf(definition, 'id'))
      const own = textOf(fieldOf(definition, 'name'))
      const text = canonical(definition).replace(`"id":"${id}",`, '')
      found.push({ place, collection: { id, name: own, path: `${name}/${own}`, definition: text } })
    }
  }
  return found
}

/** In pages: of more than 32,766 records the server cannot give the vectors at once. */
async function recordsIn(address: string): Promise<string[]> {
  const records: string[] = []
  for (;;) {
    const answer = await answered(`${address}/get`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({
        limit: PAGE,
        offset: records.length,
        include: ['embeddings', 'documents', 'uris', 'metadatas'],
      }),
    })
    const page = recordsOf(answer)
    records.push(...page)
    if (page.length < PAGE) return records
  }
}

function recordsOf(answer: unknown): string[] {
  const [ids = [], ...columns] = ['ids', 'embeddings', 'documents', 'uris', 'metadatas'].map((column) =>
    listOf(fieldOf(answer, column)),
  )
  return ids.map((id, row) => canonical([id, ...columns.map((column) => column[row] ?? null)]))
}

async function answered(url: string, request: RequestInit = {}): Promise<unknown> {
  const response = await fetch(url, request)
  const text = await response.text()
  if (!response.ok) throw new Error(`${url}: ${response.status} ${text}`)
  // JSON.parse would make 1 of 1.0, and round large integers.
  const value: unknown = JSON.parse(
    text.replaceAll(/"[^"\\]*(?:\\.[^"\\]*)*"|-?\d[\d.eE+-]*/g, (token) =>
      token.startsWith('"') ? token : `{"number":"${token}"}`,
    ),
  )
  return value
}

/** JSON text with sorted keys. */
function canonical(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(canonical).join(',')}]`
  if (typeof value !== 'object' || value === null) return JSON.stringify(value)
  const entries = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1))
  return `{${entries.map(([key, field]) => `${JSON.stringify(key)}:${canonical(field)}`).join(',')}}`
}

function listOf(value: unknown): readonly unknown[] {
  if (!Array.isArray(value)) throw new Error(`not a list: ${JSON.stringify(value)}`)
  return value
}

function fieldOf(value: unknown, field: string): unknown {
  if (typeof value !== 'object' || value === null) throw new Error(`not an object: ${JSON.stringify(value)}`)
  return Object.entries(value).find(([key]) => key === field)?.[1]
}

function textOf(value: unknown): string {
  if (typeof value !== 'string') throw new Error(`not a text: ${JSON.stringify(value)}`)
  return value
}
