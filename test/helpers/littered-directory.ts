import { cp, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'

import { startChroma, type TestChroma } from './chroma-server.js'

/** A stopped server's directory, with what deleted collections and databases leave in it. */
export interface LitteredDirectory {
  readonly path: string
  /** The tenants of its collections. */
  readonly tenants: readonly string[]
  /** A fresh copy, removed by `dispose`. */
  copy(): Promise<string>
  dispose(): Promise<void>
}

export const LITTER_TENANTS = ['default_tenant', 'acme'] as const

/** Writes with a real server: alive are `docs` in two tenants and `small`; deleted are three collections and a database. */
export async function makeLitteredDirectory(): Promise<LitteredDirectory> {
  const server = await startChroma()
  await litter(server)
  await server.halt()
  const copies: string[] = []
  return {
    path: server.directory,
    tenants: LITTER_TENANTS,
    async copy() {
      const folder = await mkdtemp(path.join(tmpdir(), 'chroma-ops-litter-'))
      copies.push(folder)
      await cp(server.directory, folder, { recursive: true, preserveTimestamps: true })
      return folder
    },
    async dispose() {
      for (const folder of [server.directory, ...copies]) await rm(folder, { recursive: true, force: true })
    },
  }
}

async function litter({ url }: TestChroma): Promise<void> {
  const tenants = `${url}/api/v2/tenants`
  const home = `${tenants}/default_tenant/databases/default_database/collections`
  await post(tenants, { name: 'acme' })
  await post(`${tenants}/acme/databases`, { name: 'main' })
  await post(`${tenants}/acme/databases`, { name: 'doomed' })
  const acme = `${tenants}/acme/databases/main/collections`
  const doomed = `${tenants}/acme/databases/doomed/collections`
  for (const [place, name, count] of [
    [home, 'gone-1', 40],
    [home, 'docs', 35],
    [home, 'gone-2', 25],
    [acme, 'docs', 33],
    [doomed, 'lost', 30],
    [home, 'small', 3],
    [acme, 'gone-3', 12],
  ] as const)
    await addRecords(place, name, count)
  for (const [place, name] of [
    [home, 'gone-1'],
    [home, 'gone-2'],
    [acme, 'gone-3'],
  ] as const)
    await request(`${place}/${name}`, 'DELETE')
  await request(`${tenants}/acme/databases/doomed`, 'DELETE')
}

/** Creates a collection that saves its index after every 10 writes, and adds records to it in pieces. */
export async function addRecords(place: string, name: string, count: number, piece = 7): Promise<string> {
  const created = await post(place, {
    name,
    get_or_create: true,
    configuration: { hnsw: { sync_threshold: 10, batch_size: 5 } },
  })
  const id = String(new Map(Object.entries(created ?? {})).get('id'))
  for (let from = 0; from < count; from += piece) {
    const rows = Array.from({ length: Math.min(piece, count - from) }, (_, row) => from + row)
    await post(`${place}/${id}/add`, {
      ids: rows.map((row) => `${name}-${row}`),
      embeddings: rows.map((row) => [row + 1, count, 0.5]),
      documents: rows.map((row) => `document ${row} of ${name}\u0000after a NUL`),
      metadatas: rows.map((row) => ({ row, [`tags-${name}`]: ['a', 'b', `${row}`] })),
    })
  }
  return id
}

export function post(url: string, body: unknown): Promise<object | null> {
  return request(url, 'POST', body)
}

async function request(url: string, method: string, body?: unknown): Promise<object | null> {
  const response = await fetch(url, {
    method,
    ...(body !== undefined && {
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(body),
    }),
  })
  const text = await response.text()
  if (!response.ok) throw new Error(`${url}: ${response.status} ${text}`)
  const value: unknown = text === '' ? null : JSON.parse(text)
  return typeof value === 'object' ? value : null
}
