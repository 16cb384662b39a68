import { randomBytes } from 'node:crypto'
import { readFileSync } from 'node:fs'
import os from 'node:os'

import { CommanderError, type Command } from 'commander'

import type { Host } from './commands/host.js'
import { Interruption } from './commands/interruption.js'
import { createProgram } from './commands/program.js'
import { formatOf, Run } from './commands/run.js'
import { AbortedError, asError, UsageError, type OpsError } from './core/errors.js'
import { ExitCode } from './core/exit-code.js'

/** How long the last words may take when the process ends at once; the reader of a pipe may be asleep. */
const LAST_WORDS = 500

/** Runs one command line and resolves to its exit code. `overrides` replace what the process gives. */
export async function main(args: readonly string[], overrides: Partial<Host> = {}): Promise<number> {
  const host: Host = { ...processHost(), ...overrides }
  // That a reader has left is told by the callback of write(); without a listener it would be fatal.
  host.stdout.on('error', ignore)
  host.stderr.on('error', ignore)
  const interruption = new Interruption({ signals: host.signals, endNow })
  const run = new Run(host, args, interruption)
  const uncaught = ['uncaughtException', 'unhandledRejection']
  for (const event of uncaught) host.signals.on(event, endNow)
  try {
    const exitCode = await execute(args, host, run, interruption)
    await run.close()
    return await run.flush(exitCode)
  } finally {
    interruption.dispose()
    for (const event of uncaught) host.signals.off(event, endNow)
  }

  function endNow(thrown: unknown): void {
    const lastWords = reportFailure(run, thrown).then((code) => run.flush(code))
    void Promise.race([lastWords, pause(LAST_WORDS)]).finally(() => {
      host.exit(run.failureCode(thrown))
    })
  }
}

async function execute(
  args: readonly string[],
  host: Host,
  run: Run,
  interruption: Interruption,
): Promise<number> {
  const help = { out: '', error: '' }
  const program = createProgram(run, host.version, {
    help: (text) => (help.out += text),
    error: (text) => (help.error += text),
  })
  try {
    await program.parseAsync([...args], { from: 'user' })
    return run.exitCode
  } catch (thrown) {
    if (thrown instanceof CommanderError && thrown.exitCode === 0)
      return reportHelp(args, host, run, thrown, help.out)
    if (interruption.reason !== undefined) return reportStopped(run, interruption.reason, thrown)
    if (thrown instanceof CommanderError && thrown.code === 'commander.help') {
      return reportMissingCommand(args, host, run, help.error)
    }
    return reportFailure(run, thrown instanceof CommanderError ? usageError(thrown, program, args) : thrown)
  }
}

async function reportHelp(
  args: readonly string[],
  host: Host,
  run: Run,
  { code }: CommanderError,
  text: string,
): Promise<number> {
  // Straight to the stream: --help must be instant, and the outputs are not loaded yet.
  if (formatOf(args) !== 'json') host.stdout.write(text)
  else {
    const result = code === 'commander.version' ? { version: host.version } : { help: text }
    const output = await run.output()
    output.result(result, () => text)
  }
  return ExitCode.ok
}

async function reportMissingCommand(
  args: readonly string[],
  host: Host,
  run: Run,
  text: string,
): Promise<number> {
  if (formatOf(args) === 'json') {
    return reportFailure(run, new UsageError('a command is missing', { hint: 'see chroma-ops --help' }))
  }
  host.stderr.write(text)
  return ExitCode.usage
}

/** The reason counts; what it broke in passing is for those who look closely. */
async function reportStopped(run: Run, reason: OpsError, thrown: unknown): Promise<number> {
  const output = await run.output()
  if (thrown !== reason && !(thrown instanceof AbortedError)) {
    output.detail(`while stopping: ${asError(thrown).message}`)
  }
  return reportFailure(run, reason)
}

async function reportFailure(run: Run, thrown: unknown): Promise<number> {
  const output = await run.output()
  output.failure(await run.told(thrown))
  return run.failureCode(thrown)
}

function usageError({ message }: CommanderError, program: Command, args: readonly string[]): UsageError {
  const [first = '', guess] = message.replace(/^error: /, '').split('\n(')
  // Commander also guesses from the flags of the commands above, so its guess may be the very flag.
  const isSame = guess !== undefined && first.includes(`'${/ (-\S+)\?/.exec(guess)?.[1] ?? ''}'`)
  return new UsageError(first, {
    hint:
      guess === undefined || isSame
        ? `see ${namedCommand(program, args)} --help`
        : guess.replace(/\)$/, '').replace(/^D/, 'd'),
  })
}

/** The command whose help is meant, as far as it was named. */
function namedCommand(program: Command, args: readonly string[]): string {
  const names = [program.name()]
  let command = program
  for (const arg of args) {
    const next = command.commands.find((candidate) => candidate.name() === arg)
    if (next === undefined) continue
    names.push(arg)
    command = next
  }
  return names.join(' ')
}

function processHost(): Host {
  // The AWS SDK would write a notice about Node to stderr, which is not the operator's concern.
  process.env['AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED'] ??= 'true'
  return {
    environment: process.env,
    stdin: process.stdin,
    stdout: process.stdout,
    stderr: process.stderr,
    askSecret: process.stdin.isTTY && process.stderr.isTTY ? askAtTerminal : null,
    cwd: process.cwd(),
    now: () => new Date(),
    monotonic: () => performance.now(),
    uid: process.getuid?.() ?? null,
    home: homeOf(process.env['HOME']),
    systemTemp: os.tmpdir(),
    hostname: os.hostname(),
    version: ownVersion(),
    runId: randomBytes(6).toString('hex'),
    signals: process,
    exit: (code) => process.exit(code),
  }
}

async function askAtTerminal(question: string, signal: AbortSignal): Promise<string> {
  const { askSecret } = await import('./commands/ask-secret.js')
  return askSecret({ input: process.stdin, output: process.stderr, question, signal })
}

/** Null for a user without HOME and without an entry in the list of users, as containers have them. */
function homeOf(variable: string | undefined): string | null {
  if (variable !== undefined && variable !== '') return variable
  try {
    return os.homedir()
  } catch {
    return null
  }
}

function ownVersion(): string {
  const text = readFileSync(new URL('../package.json', import.meta.url), 'utf8')
  const manifest: unknown = JSON.parse(text)
  const named = typeof manifest === 'object' && manifest !== null && 'version' in manifest
  return named && typeof manifest.version === 'string' ? manifest.version : 'unknown'
}

function pause(milliseconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds))
}

function ignore(): void {}
