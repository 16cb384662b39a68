import { execFile } from 'node:child_process'
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'

import { describe, expect, test } from '@jest/globals'

import { createBackup } from '../../src/backup/create-backup.js'
import { isErrno } from '../../src/core/errors.js'
import { isJsonArray, isJsonObject, parseJson, stringifyJson, type JsonValue } from '../../src/core/json.js'
import type { RecordSource } from '../../src/core/records.js'
import { LocalStore } from '../../src/storage/local-store.js'
import { collectionOf, jobOf, newRepository, numberedBatch, sourceOf } from '../helpers/backups.js'
import { withFlippedBit } from '../helpers/faulty-store.js'
import { truthOf } from '../helpers/truth.js'

const script = fileURLToPath(new URL('../../examples/read_backup.py', import.meta.url))
const golden = fileURLToPath(new URL('../golden/format-1', import.meta.url))
const run = promisify(execFile)

async function python(...args: readonly string[]): Promise<string> {
  const { stdout } = await run('python3', [script, ...args], { maxBuffer: 1e9 })
  return stdout
}

async function hasPython(): Promise<boolean> {
  try {
    await run('python3', ['--version'])
    return true
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return false
    throw error
  }
}

/** The independent reader, as text that compares with {@link truthOf} without its lines on collections. */
async function readWithPython(repository: string, backup: string): Promise<string> {
  const collections = (await python(repository, backup)).split('\n').filter((line) => line !== '')
  const lines: string[] = []
  for (const line of collections) {
    const [status, records, name = ''] = line.split('\t')
    if (status === 'failed') continue
    const printed = (await python(repository, backup, name)).split('\n').filter((record) => record !== '')
    expect(printed).toHaveLength(Number(records))
    lines.push(...printed.map(truthLine))
  }
  return lines.map((line) => `${line}\n`).join('')
}

function truthLine(printed: string): string {
  const record = parseJson(printed)
  if (!isJsonObject(record)) throw new Error(`not a record: ${printed}`)
  const embedding = record.get('embedding') ?? null
  const members = ['id', 'document', 'uri', 'metadata'].map((key) => [key, record.get(key) ?? null] as const)
  return stringifyJson(new Map<string, JsonValue>([...members, ['vector', hexOf(embedding)]]))
}

function hexOf(embedding: JsonValue): string | null {
  if (!isJsonArray(embedding)) return null
  return Buffer.from(Float32Array.from(embedding.map(Number)).buffer).toString('hex')
}

function recordsOnly(truth: string): string {
  return truth
    .split('\n')
    .filter((line) => line !== '' && !line.startsWith('{"collection":'))
    .map((line) => `${line}\n`)
    .join('')
}

const describeWithPython = (await hasPython()) ? describe : describe.skip

describeWithPython('examples/read_backup.py (needs python3)', () => {
  test.each(['plain', 'history', 'partial', 'layers'])('reads the golden repository %s', async (name) => {
    const folder = path.join(golden, name)
    const repository = path.join(folder, 'repository')
    const backups = (await python(repository)).split('\n').filter((line) => line !== '')
    expect(backups.length).toBeGreaterThan(0)
    for (const backup of backups) {
      const truth = await readFile(path.join(folder, `${backup}.truth`), 'utf8')
      expect(await readWithPython(repository, backup)).toBe(recordsOnly(truth))
    }
  })

  test('lists a backup whose list of collections is in objects of its own', async () => {
    const repository = path.join(golden, 'many', 'repository')
    const [manifest = ''] = await readdir(path.join(repository, 'backups'))
    const listed = await python(repository, path.basename(manifest, '.json'))
    expect(listed.split('\n').filter((line) => line.startsWith('complete\t1\t'))).toHaveLength(160)
  })

  async function withBackup(source: RecordSource, use: (folder: string, backup: string) => Promise<void>) {
    const folder = await mkdtemp(path.join(tmpdir(), 'chroma-ops-'))
    try {
      const { head } = await createBackup(jobOf(await newRepository(new LocalStore(folder)), source))
      await use(folder, head.id)
    } finally {
      await rm(folder, { recursive: true })
    }
  }

  test('reads several row groups, and finds a flipped bit', async () => {
    const source = sourceOf(collectionOf('wide', [numberedBatch(1500, 1024, 'w')]))
    await withBackup(source, async (folder, backup) => {
      expect(await readWithPython(folder, backup)).toBe(recordsOnly(await truthOf(source)))
      const objects = path.join(folder, 'objects', backup)
      const store = new LocalStore(folder)
      for (const name of await readdir(objects)) {
        const key = `objects/${backup}/${name}`
        const bytes = Buffer.from((await store.get(key)).bytes)
        if (bytes.length < 1_000_000) continue
        await store.put(key, withFlippedBit(bytes, 777))
        const reading = python(folder, backup, 'default_tenant/default_database/wide')
        await expect(reading).rejects.toMatchObject({ stderr: expect.stringContaining('is damaged') })
        await store.put(key, bytes)
      }
    })
  })
})
