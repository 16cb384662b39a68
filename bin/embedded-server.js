// Runs the Chroma server of a native binding in this process, which exists for nothing else:
//   node embedded-server.js <binding.node> <data directory> <arguments of `chroma`…>
// The binding blocks its thread for as long as the server runs, so a second thread watches stdin: the
// first byte means start, its end means that the parent wants the server to end, or has died.
import { readdirSync, readSync, statSync, writeSync } from 'node:fs'
import { createRequire } from 'node:module'
import path from 'node:path'
import { Worker, isMainThread, workerData } from 'node:worker_threads'

/** The parent knows this reason for an early end by it; see src/chroma/server-process.ts. */
const NOT_LOADABLE = 'chroma-ops: the server cannot be loaded: '

const QUIET_MS = 250
const POLL_MS = 50
const LONGEST_WAIT_MS = 5_000
const LONGEST_START_MS = 60_000

if (isMainThread) serve(process.argv[2], process.argv[3], process.argv.slice(4))
else watch(workerData.directory, workerData.started)

function serve(binding, directory, args) {
  const started = new Int32Array(new SharedArrayBuffer(4))
  new Worker(new URL(import.meta.url), { workerData: { directory, started } })
  // The other thread cannot start without a working folder, and this one would not hear of it.
  if (Atomics.wait(started, 0, 0, LONGEST_START_MS) === 'timed-out')
    end('chroma-ops: nobody started the server')

  // The server must not be steered by what the environment happens to hold: Kubernetes injects CHROMA_PORT.
  for (const name of Object.keys(process.env)) if (/^(CHROMA|OTEL|RUST)_/.test(name)) delete process.env[name]
  process.env.SQLITE_TMPDIR = directory

  let server
  try {
    server = createRequire(import.meta.url)(binding)
  } catch (error) {
    end(NOT_LOADABLE + error.message)
  }
  server.cli(['chroma', ...args])
  end('chroma-ops: the server ended by itself')
}

/** `process.exit` would wait for the other thread, which waits for the parent. */
function end(reason) {
  writeSync(2, `${reason}\n`)
  process.kill(process.pid, 'SIGKILL')
}

function watch(directory, started) {
  if (!nextByte()) process.kill(process.pid, 'SIGKILL')
  Atomics.store(started, 0, 1)
  Atomics.notify(started, 0)
  while (nextByte());
  // Stops listening; the newer servers never exit on it.
  process.kill(process.pid, 'SIGTERM')
  waitUntilQuiet(directory, started)
  process.kill(process.pid, 'SIGKILL')
}

function nextByte() {
  try {
    return readSync(0, Buffer.alloc(1)) === 1
  } catch {
    // Whatever is wrong with stdin, there is no parent to be heard through it any more.
    return false
  }
}

/** A server killed while it saves an index leaves that index torn. */
function waitUntilQuiet(directory, started) {
  const end = Date.now() + LONGEST_WAIT_MS
  let before = ''
  let since = Date.now()
  while (Date.now() < end) {
    const { text, saving } = fileStates(directory)
    if (text !== before || saving) since = Date.now()
    if (Date.now() - since >= QUIET_MS) return
    before = text
    Atomics.wait(started, 0, 1, POLL_MS)
  }
}

/** All files with size and time, and whether one of them shows that something is only half written. */
function fileStates(directory) {
  const states = []
  const saved = new Map()
  try {
    for (const entry of readdirSync(directory, { withFileTypes: true, recursive: true })) {
      if (!entry.isFile()) continue
      const folder = entry.parentPath ?? entry.path
      const { size, mtimeMs } = statSync(path.join(folder, entry.name))
      states.push({ folder, name: entry.name, size, mtimeMs })
      // Written last when an index is saved; the files with its vectors come before it.
      if (entry.name === 'index_metadata.pickle') saved.set(folder, mtimeMs)
    }
  } catch (error) {
    // A journal that vanished between list and stat is a sign of life; a vanished directory is the end.
    if (error.code !== 'ENOENT' || states.length === 0) return { text: 'gone', saving: false }
    return { text: `changing ${Date.now()}`, saving: true }
  }
  const saving = states.some(
    ({ folder, name, mtimeMs }) => name.endsWith('-journal') || mtimeMs > (saved.get(folder) ?? Infinity),
  )
  return { text: JSON.stringify(states), saving }
}
