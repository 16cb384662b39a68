// npm run demo
//
// What an operator wants to see before trusting a backup tool: a real Chroma server with real records, a backup, the
// loss of every collection, a restore, and the proof that what came back is what was lost. Takes a few seconds, needs
// nothing but what `npm ci` brought, writes only to a temporary folder, and removes it.
import { spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { isDeepStrictEqual } from 'node:util'

import {
  ask,
  deleteCollection,
  fillServer,
  listNames,
  readCollection,
  readDemoCollections,
} from './demo-records.mjs'

const cli = fileURLToPath(new URL('../bin/chroma-ops.js', import.meta.url))
const library = new URL('../dist/index.js', import.meta.url)
const stopping = new AbortController()
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.once(signal, () => stopping.abort(signal))

const started = performance.now()
const folder = await mkdtemp(join(tmpdir(), 'chroma-ops-demo-'))
let server
try {
  await demonstrate()
} catch (error) {
  console.error(stopping.signal.aborted ? '\nstopped' : `\nThe demonstration failed: ${error.message}`)
  process.exitCode = stopping.signal.aborted ? 130 : 1
} finally {
  await server?.stop()
  await rm(folder, { recursive: true, force: true })
}

async function demonstrate() {
  if (!existsSync(library)) throw new Error('dist/ is missing; run `npm run build` first')
  const { listBackups, openRepository, openStore, startEmbeddedServer } = await import(library.href)
  const collections = await readDemoCollections()

  chapter('A Chroma server with real records')
  server = await startEmbeddedServer({
    directory: join(folder, 'chroma'),
    cacheDir: fileURLToPath(new URL('../node_modules/.cache/chroma-ops', import.meta.url)),
    signal: stopping.signal,
  })
  const { url } = server
  await fillServer(url, collections)
  const records = collections.reduce((sum, collection) => sum + collection.records, 0)
  const databases = new Set(collections.map((collection) => collection.database)).size
  say(`${url} holds ${records} records in ${collections.length} collections of ${databases} databases.`)
  const before = await everything(url, collections)
  const answers = await everyAnswer(url, collections)
  answers.forEach(({ question, answer }) => say(`“${question}”\n    ${shortened(answer.document)}`))

  chapter('Back it up')
  await chromaOps('backup', '--url', url, '--repo', './backups', '--init')
  const repository = await openRepository({ store: await openStore(join(folder, 'backups')) })
  const [{ head }] = await listBackups(repository)
  const seconds = head.durationMs / 1000
  const megabytes = head.sizes.logical / 1e6
  say(
    `\n${Math.round(records / seconds)} records/s, ${(megabytes / seconds).toFixed(1)} MB/s; ` +
      `${megabytes.toFixed(2)} MB of records take ${(head.sizes.stored / 1e6).toFixed(2)} MB in the repository.`,
  )

  chapter('Lose everything')
  for (const collection of collections) await deleteCollection(url, collection)
  expect((await listNames(url, collections)).length === 0, 'the collections are still there')
  say(`${collections.length} collections deleted. The server has no collection any more.`)

  chapter('Restore it')
  await chromaOps('restore', 'latest', '--repo', './backups', '--url', url)

  chapter('Is it the same?')
  await chromaOps('backup', 'verify', 'latest', '--repo', './backups', '--against', url)
  const { floats, changed } = difference(before, await everything(url, collections))
  expect(changed.length === 0, `not equal: ${changed.slice(0, 3).join(', ')}`)
  say(
    `Read by plain HTTP, without chroma-ops: ${records} of ${records} records are equal to those before the loss;`,
  )
  say(
    `of ${floats.total} floats in vectors ${floats.off} differ, by ${floats.largest.toExponential(0)} at most.`,
  )
  for (const { question, answer } of await everyAnswer(url, collections)) {
    const first = answers.find((earlier) => earlier.question === question)
    expect(first?.answer.id === answer.id, `“${question}” is answered by ${answer.id}`)
    say(`“${question}”\n    ${shortened(answer.document)}  (as before)`)
  }

  chapter('And the server is well')
  await chromaOps('health', '--url', url)

  say(
    `\nAll ${records} records came back, in ${((performance.now() - started) / 1000).toFixed(1)} s altogether.`,
  )
}

/** Runs the real command line, shows it, and takes any exit code but 0 as a failure of the demonstration. */
async function chromaOps(...args) {
  console.log(`$ chroma-ops ${args.join(' ')}\n`)
  const child = spawn(process.execPath, [cli, ...args], { cwd: folder, stdio: 'inherit', env: environment() })
  // Ctrl-C at a terminal reaches it too, and a second signal would not let it stop at a safe point.
  const stop = () => setTimeout(() => child.kill('SIGTERM'), 1000).unref()
  stopping.signal.addEventListener('abort', stop)
  const exitCode = await new Promise((resolve, reject) => child.once('error', reject).once('close', resolve))
  stopping.signal.removeEventListener('abort', stop)
  stopping.signal.throwIfAborted()
  expect(exitCode === 0, `chroma-ops ${args[0]} ended with exit code ${exitCode}`)
}

/** Nothing of the user's own configuration, and nothing written outside the temporary folder. */
function environment() {
  const own = Object.entries(process.env).filter(([name]) => !/^CHROMA_/.test(name))
  return {
    ...Object.fromEntries(own),
    CHROMA_OPS_STATE_DIR: join(folder, 'state'),
    CHROMA_OPS_CACHE_DIR: join(folder, 'cache'),
  }
}

async function everything(url, collections) {
  const contents = await Promise.all(collections.map((collection) => readCollection(url, collection)))
  return collections.map((collection, at) => ({ name: collection.name, ...contents[at] }))
}

async function everyAnswer(url, collections) {
  const asked = collections.filter((collection) => collection.question !== undefined)
  return Promise.all(
    asked.map(async (collection) => ({ question: collection.question, answer: await ask(url, collection) })),
  )
}

/**
 * Chroma stores the vectors of a cosine collection at length 1 and with their length beside; what it gives back may be
 * off in the last digit, more so after having been stored twice. Everything else must be equal.
 */
function difference(before, after) {
  const floats = { total: 0, off: 0, largest: 0 }
  const changed = []
  before.forEach((collection, at) => {
    const now = after[at]
    if (!isDeepStrictEqual(collection.metadata, now.metadata)) changed.push(`metadata of ${collection.name}`)
    if (collection.records.length !== now.records.length)
      changed.push(`number of records in ${collection.name}`)
    collection.records.forEach(({ vector, ...record }, row) => {
      const { vector: nowVector = [], ...nowRecord } = now.records[row] ?? {}
      const errors = vector.map((float, index) => Math.abs(float - (nowVector[index] ?? NaN)))
      floats.total += errors.length
      floats.off += errors.filter((error) => error > 0).length
      floats.largest = Math.max(floats.largest, ...errors)
      const near = errors.every((error) => error < 1e-6)
      if (!near || !isDeepStrictEqual(record, nowRecord)) changed.push(record.id)
    })
  })
  return { floats, changed }
}

function chapter(title) {
  stopping.signal.throwIfAborted()
  console.log(`\n\u2500\u2500 ${title} ${'\u2500'.repeat(Math.max(2, 76 - title.length))}\n`)
}

function say(text) {
  console.log(text)
}

function shortened(text) {
  return text.length <= 100 ? text : `${text.slice(0, 99)}…`
}

function expect(truth, message) {
  if (!truth) throw new Error(message)
}
