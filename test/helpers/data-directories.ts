import { hash } from 'node:crypto'
import { readdir, readFile, rm } from 'node:fs/promises'
import path from 'node:path'

import { startChroma } from './chroma-server.js'

/**
 * A data directory written by a real server, of which nobody can tell that it was made here: with one collection
 * `docs`, whose index is saved or only in the log.
 */
export async function makeDirectory(
  directory: string,
  { records, saved }: { readonly records: number; readonly saved: boolean },
): Promise<void> {
  const chroma = await startChroma({ directory })
  try {
    await addDocuments(chroma.url, { first: 0, records, threshold: saved ? Math.max(2, records) : 100_000 })
  } finally {
    await chroma.halt()
  }
  await rm(path.join(directory, '.chroma-ops'), { recursive: true, force: true })
}

const BASE = '/api/v2/tenants/default_tenant/databases/default_database/collections'

/** Adds records `d<n>` to the collection `docs`, which is made with this threshold if it is not there. */
export async function addDocuments(
  url: string,
  {
    first,
    records,
    threshold,
  }: { readonly first: number; readonly records: number; readonly threshold: number },
): Promise<void> {
  const configuration = { hnsw: { space: 'l2', sync_threshold: threshold, batch_size: 2 } }
  const id = await post(`${url}${BASE}`, { name: 'docs', configuration, get_or_create: true })
  const numbers = Array.from({ length: records }, (_, n) => first + n)
  await post(`${url}${BASE}/${id}/add`, {
    ids: numbers.map((n) => `d${n}`),
    embeddings: numbers.map((n) => Array.from({ length: 16 }, (_, at) => ((n + 1) * (at + 3)) % 97)),
    documents: numbers.map((n) => `document ${n} of the collection`),
    metadatas: numbers.map((n) => ({ number: n })),
  })
}

/** SHA-256 of every file by its path, without what chroma-ops keeps in the directory. */
export async function treeOf(directory: string): Promise<Record<string, string>> {
  const tree: Record<string, string> = {}
  for (const entry of await readdir(directory, { withFileTypes: true, recursive: true })) {
    const file = path.join(entry.parentPath, entry.name)
    const name = path.relative(directory, file)
    if (!entry.isFile() || name.startsWith('.chroma-ops')) continue
    tree[name] = hash('sha256', await readFile(file))
  }
  return Object.fromEntries(Object.entries(tree).sort(([a], [b]) => (a < b ? -1 : 1)))
}

async function post(url: string, body: object): Promise<string> {
  const answer = await fetch(url, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(body),
  })
  const text = await answer.text()
  if (!answer.ok) throw new Error(`${url}: ${answer.status} ${text}`)
  const parsed: unknown = JSON.parse(text)
  return typeof parsed === 'object' && parsed !== null && 'id' in parsed ? String(parsed.id) : ''
}
