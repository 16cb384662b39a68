import { cp, mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'

import { afterAll } from '@jest/globals'

import { ChromaApi } from '../../../src/chroma/api.js'
import { connectTransport } from '../../../src/chroma/connect.js'
import { silentProgress } from '../../../src/core/progress.js'
import { openDatabase, type Database } from '../../../src/datadir/sqlite.js'
import { checkDirectory, type DirectoryHealthJob } from '../../../src/health/offline/check-directory.js'
import type { DirectoryReport } from '../../../src/health/offline/directory-report.js'
import { startChroma } from '../../helpers/chroma-server.js'

const folders: string[] = []

/** Removed after the suite. */
export async function newFolder(): Promise<string> {
  const folder = await mkdtemp(path.join(tmpdir(), 'chroma-ops-health-'))
  folders.push(folder)
  return folder
}

afterAll(async () => {
  await Promise.all(folders.splice(0).map((folder) => rm(folder, { recursive: true, force: true })))
})

/** A directory that a real server has written, and does not work on any more. */
export async function writtenDirectory(
  write: (api: ChromaApi, directory: string) => Promise<void>,
): Promise<string> {
  const directory = path.join(await newFolder(), 'data')
  await onServer(directory, (api) => write(api, directory))
  return directory
}

/** `POST` or `DELETE` of something that the API of chroma-ops does not do. */
export async function ask(
  api: ChromaApi,
  method: 'POST' | 'DELETE',
  where: string,
  body: object = {},
): Promise<void> {
  const url = `${api.transport.displayUrl.replace(/\/$/, '')}/api/v2/tenants${where}`
  const answer = await fetch(url, {
    method,
    headers: { 'content-type': 'application/json' },
    ...(method === 'POST' && { body: JSON.stringify(body) }),
  })
  if (!answer.ok) throw new Error(`${method} ${where}: ${answer.status} ${await answer.text()}`)
}

/** Starts a server on the directory, does the work and stops it in good order. */
export async function onServer<T>(directory: string, work: (api: ChromaApi) => Promise<T>): Promise<T> {
  const chroma = await startChroma({ directory })
  const transport = await connectTransport({ url: chroma.url })
  try {
    return await work(new ChromaApi(transport))
  } finally {
    await transport.close()
    await chroma.stop()
  }
}

export async function copyOf(directory: string): Promise<string> {
  const copy = path.join(await newFolder(), 'data')
  await cp(directory, copy, { recursive: true })
  return copy
}

export async function healthOfDirectory(
  directory: string,
  job: Partial<DirectoryHealthJob> = {},
): Promise<DirectoryReport> {
  return checkDirectory({
    path: directory,
    level: 'ready',
    tempDir: tmpdir(),
    progress: silentProgress,
    ...job,
  })
}

/** What a person would have to look at, as `severity id collection`. */
export function complaints({ findings }: DirectoryReport): readonly string[] {
  return findings
    .filter(({ severity }) => severity !== 'info')
    .map(({ id, severity, collection }) =>
      [severity, id, ...(collection === null ? [] : [collection])].join(' '),
    )
}

export async function changeDatabase(directory: string, ...statements: readonly string[]): Promise<void> {
  await withDatabase(directory, (database) => {
    for (const statement of statements) database.exec(statement)
  })
}

export async function withDatabase<T>(directory: string, work: (database: Database) => T): Promise<T> {
  const database = await openDatabase(path.join(directory, 'chroma.sqlite3'), { mode: 'write' })
  try {
    return work(database)
  } finally {
    database.close()
  }
}

/** The folder of a collection's index. */
export async function indexFolderOf(directory: string, collection: string): Promise<string> {
  return withDatabase(directory, (database) => {
    const row = database.get(
      "SELECT s.id FROM segments s JOIN collections c ON c.id = s.collection WHERE s.scope = 'VECTOR' AND c.name = ?",
      collection,
    )
    return path.join(directory, String(row?.['id']))
  })
}

export async function segmentFolders(directory: string): Promise<readonly string[]> {
  return (await readdir(directory)).filter((name) => /^[0-9a-f]{8}-/.test(name))
}
