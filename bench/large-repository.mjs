import { createHash, randomBytes } from 'node:crypto'
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'

import { newBackupId } from '../dist/backup/backup-id.js'
import { encodeCatalogue } from '../dist/backup/catalogue.js'
import { encodeHead } from '../dist/backup/manifest.js'
import { library } from './library.mjs'

const HOUR_MS = 3_600_000
/** Of how many backups each one has row groups. */
const WINDOW = 10

/**
 * A repository on disk as years of backups leave it: one each hour, each with as many new small objects, and the row
 * groups of the last few. Written directly, without syncs: made in a minute.
 */
export async function makeLargeRepository(folder, { backups, objects }) {
  const store = await library.openStore(folder)
  const end = Date.now() - HOUR_MS
  const { repository } = await library.initRepository({ store, now: new Date(end - backups * HOUR_MS) })
  await mkdir(join(folder, 'backups'), { recursive: true })
  const groupsEach = Math.max(1, Math.floor((objects / backups - 1) / 3))
  const window = []
  for (let number = 0; number < backups; number++) {
    const time = new Date(end - (backups - number) * HOUR_MS)
    const id = newBackupId(time, 'bench')
    const own = join(folder, 'objects', id)
    await mkdir(own, { recursive: true })
    const store = async (bytes, plaintext = bytes) => {
      const reference = {
        backup: id,
        id: sha256(plaintext).slice(0, 32),
        sha256: sha256(bytes),
        size: bytes.length,
        length: plaintext.length,
        encoding: bytes === plaintext ? 'raw' : 'gzip',
      }
      await writeFile(join(own, `${reference.id}.${reference.sha256}`), bytes)
      return reference
    }
    const groups = []
    for (let group = 0; group < groupsEach; group++)
      groups.push({
        id: randomBytes(16).toString('hex'),
        objects: [
          await store(randomBytes(400)),
          await store(randomBytes(300)),
          await store(randomBytes(100)),
        ],
      })
    window.push(groups)
    if (window.length > WINDOW) window.shift()
    await writeBackup({ repository, folder, id, time, groups: window.flat(), store })
  }
  await store.close()
}

async function writeBackup({ repository, folder, id, time, groups, store }) {
  const references = groups.flatMap((group) => group.objects)
  const records = groups.length * 100
  const digest = { payload: sha256(id).slice(0, 32), vectors: sha256(`${id}v`).slice(0, 32) }
  const definition = {
    tenant: 'default_tenant',
    database: 'default_database',
    name: 'docs',
    id: 'docs',
    metadata: null,
    configuration: null,
    schema: null,
    dimension: 1,
  }
  const plaintext = encodeCatalogue({
    definition,
    records,
    missingVectors: 0,
    digest,
    objects: references,
    rowGroups: groups.map((group, index) => ({
      id: group.id,
      rows: 100,
      missing: [],
      vectors: [[index * 3, 0, 400]],
      payload: [[index * 3 + 1, 0, 300]],
      index: [[index * 3 + 2, 0, 100]],
    })),
    layers: [],
  })
  const catalogue = await store(gzipSync(plaintext, { level: 1 }), plaintext)
  const consistency = { added: 0, removed: 0, missing: 0 }
  const { tenant, database, name, dimension } = definition
  const entry = {
    tenant,
    database,
    name,
    id: 'docs',
    status: 'complete',
    records,
    dimension,
    missingVectors: 0,
    logicalBytes: records * 7,
    digest,
    consistency,
    error: null,
    catalogue: [[0, 0, plaintext.length]],
  }
  const head = {
    format: 1,
    requires: [],
    id,
    series: 'bench',
    type: 'full',
    status: 'complete',
    created: time.toISOString(),
    finished: time.toISOString(),
    durationMs: 1000,
    parent: null,
    target: { url: 'http://127.0.0.1:8000', fingerprint: {} },
    scope: { tenants: ['default_tenant'], databases: null, collections: [], exclude: [] },
    tool: { name: 'chroma-ops', version: 'bench' },
    host: 'bench',
    actor: 'bench',
    tags: {},
    counts: { collections: 1, failedCollections: 0, records, missingVectors: 0 },
    sizes: { logical: records * 7, stored: records * 8, added: 40_000 },
    consistency: { kind: 'quiesced', ...consistency, collectionsAdded: 0, collectionsRemoved: 0 },
    contents: { objects: [catalogue], collections: [entry] },
  }
  await writeFile(join(folder, 'backups', `${id}.json`), encodeHead(repository, head))
}

function sha256(bytes) {
  return createHash('sha256').update(bytes).digest('hex')
}
