import { renameSync, writeFileSync } from 'node:fs'
import path from 'node:path'

const STILL_RUNNING_MS = 120_000

/**
 * Tells which files take long, and at the end the totals on one plain line, for whatever reads the log of a run. With
 * CHROMA_OPS_TEST_STATE the line is left to scripts/run-tests.mjs: the state of the run is in that file, at any time.
 */
export default class TotalsReporter {
  #file = process.env.CHROMA_OPS_TEST_STATE
  #root
  #running = new Map()
  #state = { passed: 0, failed: 0, skipped: 0, failedFiles: [], left: 0, isOver: false }
  #timer

  constructor({ rootDir }) {
    this.#root = rootDir
  }

  onRunStart({ numTotalTestSuites }) {
    this.#state.left = numTotalTestSuites
    this.#timer = setInterval(() => this.#tellLate(), STILL_RUNNING_MS / 4)
    this.#timer.unref()
    this.#write()
  }

  onTestFileStart({ path: file }) {
    this.#running.set(path.relative(this.#root, file), { since: Date.now(), told: 0 })
    this.#state.left--
    this.#write()
  }

  onTestFileResult({ path: file }, { failureMessage }, results) {
    this.#running.delete(path.relative(this.#root, file))
    if (failureMessage) this.#state.failedFiles.push(path.relative(this.#root, file))
    this.#count(results)
    this.#write()
  }

  onRunComplete(_contexts, results) {
    clearInterval(this.#timer)
    this.#count(results)
    this.#state.isOver = !results.wasInterrupted
    this.#write()
    const { passed, failed, skipped } = this.#state
    if (this.#file === undefined)
      process.stderr.write(`${passed} passed, ${failed} failed, ${skipped} skipped\n`)
  }

  #count({ numPassedTests, numFailedTests, numPendingTests, numTodoTests, numRuntimeErrorTestSuites }) {
    this.#state.passed = numPassedTests
    this.#state.failed = numFailedTests + numRuntimeErrorTestSuites
    this.#state.skipped = numPendingTests + numTodoTests
  }

  #tellLate() {
    for (const [file, run] of this.#running) {
      const periods = Math.floor((Date.now() - run.since) / STILL_RUNNING_MS)
      if (periods <= run.told) continue
      run.told = periods
      process.stderr.write(`still running: ${file}, for ${(periods * STILL_RUNNING_MS) / 60_000} minutes\n`)
    }
  }

  /** Never half-written, for it is read at any time. */
  #write() {
    if (this.#file === undefined) return
    const running = [...this.#running].map(([file, { since }]) => ({ file, since }))
    writeFileSync(`${this.#file}.new`, JSON.stringify({ ...this.#state, running }))
    renameSync(`${this.#file}.new`, this.#file)
  }
}
