// npm run bench: how fast and how small, as ratios within one run. `npm run bench -- --help` tells the options.
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

import { arrangeCores, canPin } from './cores.mjs'
import { addBodies } from './dataset.mjs'
import { library } from './library.mjs'
import { measureDirectory } from './measure-directory.mjs'
import { measureEncryption } from './measure-encryption.mjs'
import { measureGrowth } from './measure-growth.mjs'
import { measureHealth } from './measure-health.mjs'
import { measureIncremental } from './measure-incremental.mjs'
import { measureMemory } from './measure-memory.mjs'
import { measureMigrate } from './measure-migrate.mjs'
import { measurePhysical } from './measure-physical.mjs'
import { measureRead } from './measure-read.mjs'
import { measureRetention } from './measure-retention.mjs'
import { measureStart } from './measure-start.mjs'
import { measureStores } from './measure-stores.mjs'
import { measureVerify } from './measure-verify.mjs'
import { measureWrite } from './measure-write.mjs'
import { readOptions } from './options.mjs'
import { createCollection, RawClient } from './raw-http.mjs'
import { Report } from './report.mjs'

// The SDK for S3 announces the end of its support for Node 20 on stderr.
process.env.AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED = 'true'
const cacheDir = fileURLToPath(new URL('../node_modules/.cache/chroma-ops', import.meta.url))
const options = readOptions(process.argv.slice(2))
const report = new Report()
const note = (text) => process.stderr.isTTY && process.stderr.write(`\r\u001b[K${text}\r`)
const stopping = new AbortController()
for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => stopping.abort(signal))

try {
  if (options.only.includes('start')) await measureStart({ report, note })
  if (options.only.includes('retention')) await measureRetention({ report, note })
  for (const size of options.sizes) await measureSize(size)
  for (const size of options.memory)
    await withServer((context) => filled({ ...context, size }, measureMemory))
  if (options.only.includes('directory')) {
    const { directory: sizes, rounds } = options
    for (const size of sizes)
      await withServer((context) => filled({ ...context, size, rounds }, measureDirectory))
  }
  if (options.only.includes('health')) {
    const { health: sizes, rounds } = options
    for (const size of sizes)
      await withServer((context) => filled({ ...context, size, rounds }, measureHealth))
  }
  if (options.only.includes('migrate')) {
    const { migrate: sizes, rounds } = options
    for (const size of sizes)
      await withServer((context) => filled({ ...context, size, rounds }, measureMigrate))
  }
  if (options.only.includes('incremental'))
    for (const { records, dimension } of options.incremental)
      await inFolder((folder) =>
        measureIncremental({ report, records, dimension, rounds: options.rounds, folder, note }),
      )
  if (options.only.includes('growth')) {
    const { growth: counts, growthDimension: dimension, rounds } = options
    await withServer((context) => measureGrowth({ ...context, counts, dimension, rounds }))
  }
} finally {
  report.print()
  const file = options.out ?? defaultFile()
  await report.write(file, options)
  console.log(`\nwritten to ${file}`)
}

async function measureSize(size) {
  const { only, rounds } = options
  const measures = only.filter(
    (name) =>
      !['start', 'retention', 'growth', 'directory', 'health', 'migrate', 'incremental'].includes(name),
  )
  if (measures.length === 0) return
  await withServer((server) =>
    filled({ ...server, size, rounds, endpoint: options.s3Endpoint }, async (context) => {
      for (const cores of options.cores) {
        if (!arranged(cores, context.server.pid)) continue
        if (only.includes('read')) await measureRead({ ...context, cores })
        if (only.includes('write')) await measureWrite({ ...context, cores })
      }
      arranged('shared', context.server.pid)
      if (only.includes('verify')) await measureVerify(context)
      if (only.includes('stores')) await measureStores(context)
      if (only.includes('encryption')) await measureEncryption(context)
      if (only.includes('memory')) await measureMemory(context)
      // The last: it writes to the collection.
      if (only.includes('physical')) await measurePhysical(context)
    }),
  )
}

async function inFolder(work) {
  const folder = await mkdtemp(join(tmpdir(), 'chroma-ops-bench-'))
  try {
    await work(folder)
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

/** A server of its own for each size: what earlier collections left behind slows nothing down. */
async function withServer(work) {
  const folder = await mkdtemp(join(tmpdir(), 'chroma-ops-bench-'))
  const directory = join(folder, 'chroma')
  const server = await library.startEmbeddedServer({ directory, cacheDir, signal: stopping.signal })
  const client = new RawClient(server.url, 8)
  // Without asking those at work: a backup would wait for its server to come back.
  const onStop = () => void cleanUp().then(() => process.exit(130))
  stopping.signal.addEventListener('abort', onStop)
  const cleanUp = async () => {
    await server.stop()
    await rm(folder, { recursive: true, force: true })
  }
  try {
    await work({ report, note, server, folder, client })
  } finally {
    stopping.signal.removeEventListener('abort', onStop)
    await client.close()
    await cleanUp()
  }
}

async function filled(context, work) {
  const { client, size } = context
  const collection = await createCollection(client, 'bench')
  for (const body of addBodies(size, 5000)) await client.send({ path: `${collection.path}/add`, body })
  await work({ ...context, collection })
}

function arranged(cores, pid) {
  if (canPin()) arrangeCores(cores, pid)
  else if (cores === 'pinned') {
    report.note('pinned: not measured, processes cannot be pinned to two cores here')
    return false
  }
  return true
}

function defaultFile() {
  const time = new Date().toISOString().replaceAll(/[:.]/g, '-')
  return fileURLToPath(new URL(`./results/${time}.json`, import.meta.url))
}
