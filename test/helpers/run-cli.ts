import { EventEmitter } from 'node:events'
import { readdirSync } from 'node:fs'
import { Readable, Writable } from 'node:stream'

import { main } from '../../src/cli.js'
import type { Host } from '../../src/commands/host.js'

// Jest fails now and then to load modules that share others when they are asked for at the same time, as the
// commands do. So all of them are loaded here, one after the other.
const sources = new URL('../../src/', import.meta.url)
await import('../../src/index.js')
for (const name of readdirSync(new URL('commands/', sources)))
  await import(`../../src/commands/${name.replace(/\.ts$/, '.js')}`)

export interface CliRun {
  readonly exitCode: number
  readonly stdout: string
  readonly stderr: string
}

/** A stream that keeps what is written to it. */
export class Capture extends Writable {
  readonly isTTY: boolean
  readonly columns = 120
  text = ''

  constructor(isTTY = false) {
    super({ decodeStrings: false })
    this.isTTY = isTTY
  }

  override _write(piece: string | Buffer, _encoding: string, done: () => void): void {
    this.text += piece.toString()
    done()
  }
}

/**
 * Runs a whole command line in this process, with an empty environment and captured output. Signals come
 * from `host.signals`, so that a test can send them without touching its own process.
 */
export async function runCli(args: readonly string[], host: Partial<Host> = {}): Promise<CliRun> {
  const stdout = new Capture()
  const stderr = new Capture()
  const exitCode = await main(args, {
    environment: {},
    stdin: Readable.from([]),
    askSecret: null,
    stdout,
    stderr,
    signals: new EventEmitter(),
    exit: (code) => {
      throw new Error(`the process would have ended with ${code}`)
    },
    home: null,
    ...host,
  })
  return { exitCode, stdout: stdout.text, stderr: stderr.text }
}

/**
 * The document of a run with `--json`; fails the test unless stdout is exactly one JSON document, in which
 * every duration is a whole number.
 */
export function documentOf({ stdout }: CliRun): Record<string, unknown> {
  const document: unknown = JSON.parse(stdout)
  if (typeof document !== 'object' || document === null) throw new Error(`not a document: ${stdout}`)
  const fractions = fractionsIn(document)
  if (fractions.length > 0) throw new Error(`not whole milliseconds: ${fractions.join(', ')}`)
  return Object.fromEntries(Object.entries(document))
}

/** Members whose name says milliseconds, and what is in them. */
function fractionsIn(value: unknown, isDuration = false): string[] {
  if (typeof value === 'number') return isDuration && !Number.isInteger(value) ? [String(value)] : []
  if (typeof value !== 'object' || value === null) return []
  return Object.entries(value).flatMap(([name, inner]) =>
    fractionsIn(inner, isDuration || name.endsWith('Ms')).map((found) => `${name} ${found}`),
  )
}
