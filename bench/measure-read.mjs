import { randomUUID } from 'node:crypto'
import { rm } from 'node:fs/promises'
import { join } from 'node:path'

import { library, silent } from './library.mjs'
import { eachOf } from './raw-http.mjs'
import { RecordingTransport } from './recording-transport.mjs'
import { interleave, speedRatio } from './rounds.mjs'

const TARGETS = {
  shared: { 384: '≥ 0.65', 1536: '≥ 0.55' },
  pinned: { 384: '≥ 0.90', 1536: '≥ 0.75' },
}

/**
 * A backup to local disk, against three ways to read the same collection and keep nothing: the requests that the
 * backup sends, answers thrown away; and pages by offset, parsed and thrown away, as other tools read.
 */
export async function measureRead({ report, server, size, collection, rounds, cores, folder, client, note }) {
  const recorded = await record({ url: server.url, folder })
  const seconds = await interleave({
    rounds,
    note,
    contestants: {
      backup: () => backup({ url: server.url, folder }),
      ceiling: () => replay(client, recorded),
      'offset 100 × 1': () => pages(client, { collection, records: size.records, page: 100, concurrency: 1 }),
      'offset 100 × 5': () => pages(client, { collection, records: size.records, page: 100, concurrency: 5 }),
    },
  })
  const label = `${size.label} ${cores}`
  const rate = Math.round(
    size.records / [...seconds.backup].sort((a, b) => a - b)[seconds.backup.length >> 1],
  )
  const add = (name, theirs, target, detail) =>
    report.add({
      name: `${label}: ${name}`,
      unit: 'ratio',
      ...speedRatio(seconds.backup, seconds[theirs]),
      target,
      detail,
      samples: { backup: seconds.backup, [theirs]: seconds[theirs] },
    })
  add('backup / read ceiling', 'ceiling', TARGETS[cores][size.dimension], `${rate} records/s`)
  add('backup / offset paging 100 × 1', 'offset 100 × 1', '≥ 2')
  add('backup / offset paging 100 × 5', 'offset 100 × 5', '≥ 1.5')
}

/** One backup of everything on the server into a new repository; returns its seconds. */
export async function backup({ url, folder, store: given, keep = false, wrap = (transport) => transport }) {
  const place = join(folder, `repository-${randomUUID()}`)
  const store = given ?? (await library.openStore(place))
  const started = performance.now()
  const transport = wrap(await library.connectTransport({ url }))
  try {
    transport.useBatchRetries()
    const api = new library.ChromaApi(transport)
    const { repository } = await library.initRepository({ store, now: new Date() })
    const source = new library.ServerSource({ api, scope: { tenants: ['default_tenant'] }, tempDir: folder })
    const summary = await library.createBackup(backupJob({ repository, source, url }))
    const seconds = (performance.now() - started) / 1000
    if (summary.exitCode !== 0) throw new Error(`the backup ended with ${summary.exitCode}`)
    return keep ? { seconds, summary, repository, place } : seconds
  } finally {
    await transport.close()
    if (!keep && given === undefined) await rm(place, { recursive: true, force: true })
  }
}

function backupJob({ repository, source, url }) {
  return {
    repository,
    source,
    target: { url, fingerprint: {} },
    scope: { tenants: ['default_tenant'], databases: null },
    series: 'bench',
    tags: {},
    allowEmpty: false,
    allowShrink: false,
    actor: 'bench',
    host: 'bench',
    toolVersion: '0',
    now: () => new Date(),
    progress: silent,
  }
}

/** The requests of one backup, and how many it had under way at most. */
async function record({ url, folder }) {
  let recorder
  const wrap = (transport) => (recorder = new RecordingTransport(transport))
  await backup({ url, folder, wrap })
  return { requests: recorder.requests, concurrency: recorder.concurrency }
}

/** The same requests, as many at the same time; what others wait for (lists) is waited for here too. */
async function replay(client, { requests, concurrency }) {
  const isBatch = ({ path, body }) => path.endsWith('/get') && String(body).includes('"ids"')
  const batches = requests.filter(isBatch)
  for (const request of requests) if (!isBatch(request)) await client.send(request)
  await eachOf(batches, concurrency, (request) => client.send(request))
}

async function pages(client, { collection, records, page, concurrency }) {
  const offsets = Array.from({ length: Math.ceil(records / page) }, (_, index) => index * page)
  const include = ['documents', 'metadatas', 'uris', 'embeddings']
  await eachOf(offsets, concurrency, async (offset) => {
    const body = JSON.stringify({ limit: page, offset, include })
    const { ids } = await client.json({ path: `${collection.path}/get`, body })
    if (ids.length === 0) throw new Error(`no records at offset ${offset}`)
  })
}
