// Runs the tests. Without arguments the whole suite, in parts: several runs of Jest one after the other, for a worker of
// Jest never lets go of the modules of files that it is done with. With arguments one run of Jest, which gets them:
//
//   npm test
//   npm test -- test/storage
//
// Ends with the line `N passed, N failed, N skipped`. A part in which a file hangs is stopped, and the file named.
import { spawn } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { fileURLToPath } from 'node:url'

const MINUTE = 60_000
const PARTS = 6
/** No file takes a tenth of this on a machine that has nothing else to do. */
const FILE_LIMIT = limit('CHROMA_OPS_TEST_FILE_MINUTES', 10)
/** Of the whole suite. */
const RUN_LIMIT = limit('CHROMA_OPS_TEST_RUN_MINUTES', 40)
const LOOK_EVERY = 1000

const jest = [
  '--experimental-vm-modules',
  '--no-warnings',
  fileURLToPath(new URL('../node_modules/jest/bin/jest.js', import.meta.url)),
]
const folder = mkdtempSync(path.join(tmpdir(), 'chroma-ops-run-tests-'))
const began = Date.now()
const words = process.argv.slice(2)
const sums = { passed: 0, failed: 0, skipped: 0 }
const failures = []

try {
  if (words.length > 0) await runWith(words)
  else for (let part = 1; part <= PARTS; part++) await runPart(part)
} finally {
  rmSync(folder, { recursive: true, force: true })
}
if (sums.passed + sums.failed === 0) fail('there are no tests')
for (const failure of failures) console.log(`failed: ${failure}`)
console.log(`${sums.passed} passed, ${sums.failed} failed, ${sums.skipped} skipped`)

/** In the foreground, as if Jest had been called by itself. */
async function runWith(args) {
  const file = path.join(folder, 'state.json')
  const child = spawn(process.execPath, [...jest, ...args], {
    stdio: 'inherit',
    env: { ...process.env, CHROMA_OPS_TEST_STATE: file },
  })
  // Jest gets what is typed at the terminal, too; here it must not end the process first.
  process.on('SIGINT', () => {})
  process.on('SIGTERM', () => child.kill('SIGTERM'))
  const { code } = await endOf(child)
  add(stateIn(file))
  if (code !== 0) process.exitCode = code ?? 1
}

async function runPart(part) {
  const name = `part ${part} of ${PARTS}`
  if (Date.now() - began >= RUN_LIMIT) {
    fail(`${name}: not begun, ${minutes(RUN_LIMIT)} are over`)
    sums.failed++
    return
  }
  const file = path.join(folder, `${part}.json`)
  // A group of its own, so that it can be ended with everything that it has started.
  const child = spawn(process.execPath, [...jest, `--shard=${part}/${PARTS}`, '--passWithNoTests'], {
    detached: true,
    stdio: ['ignore', 'inherit', 'inherit'],
    env: { ...process.env, CHROMA_OPS_TEST_STATE: file },
  })
  const forward = (signal) => {
    endGroup(child)
    rmSync(folder, { recursive: true, force: true })
    process.exit(signal === 'SIGINT' ? 130 : 143)
  }
  process.once('SIGINT', forward).once('SIGTERM', forward).once('SIGHUP', forward)
  let reason = null
  const look = setInterval(() => {
    reason ??= overdue(stateIn(file))
    if (reason !== null) endGroup(child)
  }, LOOK_EVERY)
  const { code, signal } = await endOf(child)
  clearInterval(look)
  // What a worker of a crashed Jest has left behind.
  endGroup(child)
  process.off('SIGINT', forward).off('SIGTERM', forward).off('SIGHUP', forward)

  const state = stateIn(file)
  add(state)
  for (const failed of state.failedFiles) failures.push(failed)
  // Of a part without files nothing is told.
  if (code === 0 && state.running.length === 0) return
  process.exitCode = 1
  if (state.isOver && state.failed > 0) return
  // Nobody counted what went wrong.
  sums.failed += Math.max(1, state.running.length)
  fail(`${name}: ${reason ?? `ended with ${signal ?? `exit code ${code}`}`}`)
  for (const { file: name, since } of state.running)
    fail(`${name}: was still running, for ${minutes(Date.now() - since)}`)
  if (state.left > 0) fail(`${name}: ${state.left} files were not begun`)
}

function overdue({ running }) {
  if (Date.now() - began > RUN_LIMIT) return `stopped: the tests have taken ${minutes(RUN_LIMIT)}`
  const slow = running.find(({ since }) => Date.now() - since > FILE_LIMIT)
  return slow === undefined ? null : `stopped: ${slow.file} has taken ${minutes(FILE_LIMIT)}`
}

/** As test/helpers/totals-reporter.js writes it. */
function stateIn(file) {
  try {
    return JSON.parse(readFileSync(file, 'utf8'))
  } catch (error) {
    if (error.code !== 'ENOENT') throw error
    return { passed: 0, failed: 0, skipped: 0, failedFiles: [], running: [], left: 0, isOver: false }
  }
}

function add({ passed, failed, skipped }) {
  sums.passed += passed
  sums.failed += failed
  sums.skipped += skipped
}

function fail(text) {
  process.exitCode = 1
  failures.push(text)
}

function endOf(child) {
  return new Promise((resolve, reject) => {
    child.once('error', reject)
    child.once('exit', (code, signal) => resolve({ code, signal }))
  })
}

function endGroup({ pid }) {
  try {
    process.kill(-pid, 'SIGKILL')
  } catch (error) {
    if (error.code !== 'ESRCH') throw error
  }
}

function limit(name, otherwise) {
  return Number(process.env[name] ?? otherwise) * MINUTE
}

function minutes(milliseconds) {
  const count = Math.round(milliseconds / MINUTE)
  return count === 1 ? '1 minute' : `${count} minutes`
}
