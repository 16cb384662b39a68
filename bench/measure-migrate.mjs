import { spawn } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

import { readAll } from '../dist/chroma/read-by-ids.js'
import { addBodies } from './dataset.mjs'
import { library } from './library.mjs'
import { DATABASE, deleteCollection } from './raw-http.mjs'
import { interleave, speedRatio, spread } from './rounds.mjs'

const program = fileURLToPath(new URL('./migrate-process.mjs', import.meta.url))
const peakMemory = new URL('./peak-memory.mjs', import.meta.url).href

/**
 * A copy-and-swap into another space, against reading the collection and throwing it away, and against prepared
 * bodies sent by one writer. The slower of the two is the ceiling: a copy does both at the same time.
 */
export async function measureMigrate({ report, server, size, rounds, folder, client, note }) {
  const runs = []
  const bodies = [...addBodies(size, 1000)]
  const seconds = await interleave({
    rounds,
    note,
    contestants: {
      swap: async () => {
        const run = await swap(server.url, folder)
        runs.push(run)
        return run.whole
      },
      reading: () => read(server.url, folder),
      writing: () => write(client, bodies),
    },
  })
  const measured = runs.slice(-seconds.swap.length)
  const slower = spread(seconds.reading).median > spread(seconds.writing).median ? 'reading' : 'writing'
  const rate = (taken) => Math.round(size.records / spread(taken).median)
  const copied = measured.map(({ phases }) => phases.CAUGHT_UP - phases.COPYING)
  report.add({
    name: `${size.label}: copy-and-swap, copying and catching up / ${slower} alone`,
    unit: 'ratio',
    ...speedRatio(copied, seconds[slower]),
    target: '≥ 0.85',
    detail: `${rate(copied)} records/s; reading ${rate(seconds.reading)}, writing ${rate(seconds.writing)}`,
    samples: { copied, ...seconds },
  })
  report.add({
    name: `${size.label}: the whole copy-and-swap, verified and drained / ${slower} alone`,
    unit: 'ratio',
    ...speedRatio(seconds.swap, seconds[slower]),
    detail: `${rate(seconds.swap)} records/s`,
    samples: measured,
  })
  const memory = measured.map(({ bytes }) => bytes / 1e6)
  report.add({
    name: `${size.label}: peak memory of a copy-and-swap`,
    unit: 'MB',
    ...spread(memory),
    target: '< 250',
  })
  const gaps = spread(measured.map(({ gapMs }) => gapMs))
  const figures = [gaps.min, gaps.median, gaps.max].map((ms) => ms.toFixed(1)).join(' / ')
  report.note(`${size.label}: the live name was missing for at most ${figures} ms (loopback)`)
}

async function swap(url, folder) {
  const file = join(folder, 'peak')
  const child = spawn(process.execPath, ['--import', peakMemory, program, url, folder], {
    env: { ...process.env, BENCH_PEAK_FILE: file },
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  let text = ''
  child.stdout.on('data', (chunk) => (text += chunk))
  const exitCode = await new Promise((resolve, reject) => child.once('error', reject).once('close', resolve))
  if (exitCode !== 0) throw new Error(`the copy-and-swap ended with ${exitCode}`)
  return { ...JSON.parse(text), bytes: Number(await readFile(file, 'utf8')) }
}

async function read(url, tempDir) {
  const transport = await library.connectTransport({ url })
  const api = new library.ChromaApi(transport)
  try {
    const place = { tenant: 'default_tenant', database: 'default_database', name: 'bench' }
    const collection = await api.getCollection(place)
    const started = performance.now()
    let records = 0
    for await (const { ids } of readAll({ api, collection, vectors: true, concurrency: 4, tempDir }))
      records += ids.length
    const taken = (performance.now() - started) / 1000
    if (records !== (await api.count(collection))) throw new Error('records were not read')
    return taken
  } finally {
    await transport.close()
  }
}

/** Into a collection like the one that the copy makes. */
async function write(client, bodies) {
  const configuration = { hnsw: { space: 'cosine' } }
  const { id } = await client.json({
    path: `${DATABASE}/collections`,
    body: JSON.stringify({ name: 'written', configuration }),
  })
  const started = performance.now()
  for (const body of bodies) await client.send({ path: `${DATABASE}/collections/${id}/add`, body })
  const seconds = (performance.now() - started) / 1000
  await deleteCollection(client, 'written')
  return seconds
}
