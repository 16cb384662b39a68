import { randomBytes } from 'node:crypto'
import { EventEmitter } from 'node:events'
import { Writable } from 'node:stream'

import type { OpsError } from '../core/errors.js'
import type { Host } from './host.js'
import { Interruption } from './interruption.js'
import { createProgram } from './program.js'
import { Run } from './run.js'

export interface NestedRun {
  readonly exitCode: number
  /** What `--json` prints. */
  readonly document: Readonly<Record<string, unknown>>
}

/**
 * Runs one command line of chroma-ops within another one, as if it had been started by itself: with a run id of its
 * own, an audit line of its own, and `--timeout` for it alone. Messages go where those of the outer run go. When the
 * signal fires it stops as SIGTERM stops it. Rejects when it does not stop.
 */
export async function runNested(
  host: Host,
  args: readonly string[],
  signal: AbortSignal,
): Promise<NestedRun> {
  const signals = new EventEmitter()
  const stdout = new Collector()
  const inner: Host = { ...host, stdout, signals, runId: randomBytes(6).toString('hex') }
  let giveUp: (reason: OpsError) => void = () => {}
  const stuck = new Promise<never>((_, reject) => (giveUp = reject))
  const interruption = new Interruption({ signals, endNow: (reason) => giveUp(reason) })
  const stop = () => signals.emit('SIGTERM')
  signal.addEventListener('abort', stop, { once: true })
  if (signal.aborted) stop()
  try {
    const exitCode = await Promise.race([execute(inner, [...args, '--json'], interruption), stuck])
    return { exitCode, document: documentIn(stdout.text) }
  } finally {
    signal.removeEventListener('abort', stop)
    interruption.dispose()
  }
}

async function execute(host: Host, args: readonly string[], interruption: Interruption): Promise<number> {
  const run = new Run(host, args, interruption)
  const program = createProgram(run, host.version, { help: () => {}, error: () => {} })
  let exitCode: number
  try {
    await program.parseAsync([...args], { from: 'user' })
    exitCode = run.exitCode
  } catch (thrown) {
    const reason = interruption.reason ?? thrown
    const output = await run.output()
    output.failure(await run.told(reason))
    exitCode = run.failureCode(reason)
  }
  await run.close()
  return run.flush(exitCode)
}

function documentIn(text: string): Readonly<Record<string, unknown>> {
  const document: unknown = text === '' ? {} : JSON.parse(text)
  return typeof document === 'object' && document !== null ? Object.fromEntries(Object.entries(document)) : {}
}

class Collector extends Writable {
  text = ''

  constructor() {
    super({ decodeStrings: false })
  }

  override _write(piece: string | Buffer, _encoding: string, done: () => void): void {
    this.text += piece.toString()
    done()
  }
}
