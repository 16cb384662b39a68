import { randomUUID } from 'node:crypto'
import { createWriteStream } from 'node:fs'
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { finished } from 'node:stream/promises'

import { withCpuTime } from './cpu-time.mjs'
import { library, silent } from './library.mjs'
import { eachOf } from './raw-http.mjs'
import { RecordingTransport } from './recording-transport.mjs'
import { interleave, speedRatio, spread } from './rounds.mjs'

const TARGETS = {
  shared: { 384: '≥ 0.65', 1536: '≥ 0.55' },
  pinned: { 384: '≥ 0.90', 1536: '≥ 0.75' },
}

/**
 * A backup to local disk, against three ways to read the same collection: the requests that the backup sends, answers
 * thrown away; pages by offset, parsed and thrown away; and the same pages written to a file as JSON lines, which is
 * what a tool that pages by offset does for a backup.
 */
export async function measureRead(context) {
  const { report, server, size, collection, rounds, cores, folder, client, note } = context
  const recorded = await record({ url: server.url, folder })
  const cpu = { client: [], server: [] }
  const paging = (concurrency, file) => () =>
    pages(client, { collection, records: size.records, page: 100, concurrency, file })
  const file = join(folder, 'pages.jsonl')
  const seconds = await interleave({
    rounds,
    note,
    contestants: {
      backup: async () => {
        const run = await withCpuTime(server.pid, () => backup({ url: server.url, folder }))
        cpu.client.push(run.client)
        cpu.server.push(run.server)
        return run.result
      },
      ceiling: () => replay(client, recorded),
      'paging 100 × 1': paging(1),
      'paging 100 × 5': paging(5),
      'paging 100 × 1, written': paging(1, file),
      'paging 100 × 5, written': paging(5, file),
    },
  })
  const row = (name, theirs, target, detail) =>
    report.add({
      name: `${size.label} ${cores}: backup / ${name}`,
      unit: 'ratio',
      ...speedRatio(seconds.backup, seconds[theirs]),
      target,
      detail,
      samples: { backup: seconds.backup, [theirs]: seconds[theirs] },
    })
  row('read ceiling', 'ceiling', TARGETS[cores][size.dimension], costs(size, seconds.backup, cpu))
  row('offset paging 100 × 1 to JSON lines', 'paging 100 × 1, written', '≥ 2')
  row('offset paging 100 × 5 to JSON lines', 'paging 100 × 5, written', '≥ 1.5')
  row('offset paging 100 × 1, dropped', 'paging 100 × 1')
  row('offset paging 100 × 5, dropped', 'paging 100 × 5')
}

function costs({ records }, seconds, { client, server }) {
  const perRecord = (values) => `${((spread(values).median / records) * 1e6).toFixed(0)} µs`
  const rate = Math.round(records / spread(seconds).median)
  return `${rate} records/s; processor time of a record: client ${perRecord(client)}, server ${perRecord(server)}`
}

/** One backup of everything on the server into a new repository; returns its seconds. */
export async function backup({
  url,
  folder,
  store: given,
  encrypt,
  keep = false,
  wrap = (transport) => transport,
}) {
  const place = join(folder, `repository-${randomUUID()}`)
  const store = given ?? (await library.openStore(place))
  const started = performance.now()
  const transport = wrap(await library.connectTransport({ url }))
  try {
    transport.useBatchRetries()
    const api = new library.ChromaApi(transport)
    const { repository } = await library.initRepository({ store, now: new Date(), encrypt })
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

/** With a `file`, every record becomes a line of JSON in it. */
async function pages(client, { collection, records, page, concurrency, file }) {
  const offsets = Array.from({ length: Math.ceil(records / page) }, (_, index) => index * page)
  const include = ['documents', 'metadatas', 'uris', 'embeddings']
  const output = file === undefined ? null : createWriteStream(file)
  await eachOf(offsets, concurrency, async (offset) => {
    const body = JSON.stringify({ limit: page, offset, include })
    const answer = await client.json({ path: `${collection.path}/get`, body })
    if (answer.ids.length === 0) throw new Error(`no records at offset ${offset}`)
    output?.write(linesOf(answer))
  })
  output?.end()
  if (output !== null) await finished(output)
}

function linesOf({ ids, documents, metadatas, uris, embeddings }) {
  const line = (id, row) =>
    JSON.stringify({
      id,
      document: documents[row],
      metadata: metadatas[row],
      uri: uris[row],
      embedding: embeddings[row],
    })
  return `${ids.map(line).join('\n')}\n`
}
