import type { Command } from 'commander'

import type { Settings } from '../config/settings.js'
import { asError, OpsError } from '../core/errors.js'
import { ExitCode } from '../core/exit-code.js'
import type { Output, Reporting } from '../output/output.js'
import type { CommandContext, Launcher } from './context.js'
import type { Host } from './host.js'
import type { Interruption } from './interruption.js'
import { flagTexts } from './shared-flags.js'
import { explainedRefusal } from './system-errors.js'

/** Of a monitoring plugin that could not find out; those of its findings are 0, 1 and 2. */
const NAGIOS_UNKNOWN = 3

/** One command line on its way: its output, its exit code, and what must be closed. */
export class Run implements Launcher {
  readonly #host: Host
  readonly #args: readonly string[]
  readonly #interruption: Interruption
  readonly #closers: (() => Promise<void>)[] = []
  #output: Promise<Output> | undefined
  #known: Settings | undefined
  exitCode: ExitCode = ExitCode.ok

  constructor(host: Host, args: readonly string[], interruption: Interruption) {
    this.#host = host
    this.#args = args
    this.#interruption = interruption
  }

  /** What a failure ends with; a monitoring plugin has codes of its own. */
  failureCode(thrown: unknown): number {
    if (formatOf(this.#args) === 'nagios') return NAGIOS_UNKNOWN
    const failure = explainedRefusal(thrown)
    return failure instanceof OpsError ? failure.exitCode : ExitCode.failed
  }

  /** A failure as it is told: with commands that can be pasted. */
  async told(thrown: unknown): Promise<unknown> {
    const failure = explainedRefusal(thrown)
    if (!(failure instanceof OpsError) || this.#known === undefined) return failure
    const { withCompleteHint } = await import('./complete-commands.js')
    return withCompleteHint(failure, this.#known)
  }

  /** Until the settings are known, the command line alone decides how we speak. */
  async output(): Promise<Output> {
    this.#output ??= this.#createOutput({
      format: formatOf(this.#args),
      quiet: this.#args.includes('--quiet'),
      verbose: this.#args.includes('--verbose'),
      color: !this.#args.includes('--no-color') && (this.#host.environment['NO_COLOR'] ?? '') === '',
      progress: false,
      logFormat: 'text',
    })
    return this.#output
  }

  /** Waits until stdout has taken everything; a full disk behind it turns success into failure. */
  async flush(exitCode: number): Promise<number> {
    const output = await this.#output
    try {
      await output?.end()
      return exitCode
    } catch (error) {
      const message = `the result could not be written: ${asError(error).message}`
      output?.warn({ code: 'STDOUT_FAILED', message })
      return exitCode === ExitCode.ok ? ExitCode.failed : exitCode
    }
  }

  async run(
    command: Command,
    work: (context: CommandContext) => Promise<void>,
    endless = false,
  ): Promise<void> {
    const settings = await this.#settings(command)
    this.#known = settings
    const { catalogue } = await import('../config/catalogue.js')
    const dumb = this.#host.environment['TERM'] === 'dumb'
    this.#output = this.#createOutput({
      format: formatOf(this.#args),
      quiet: settings.value(catalogue.quiet),
      verbose: settings.value(catalogue.verbose),
      color: !settings.value(catalogue.noColor) && !dumb,
      dumb,
      progress: !settings.value(catalogue.noProgress),
      logFormat: settings.value(catalogue.logFormat),
    })
    const output = await this.#output
    await this.#warnOfMisspelt(output)
    const timeout = settings.value(catalogue.timeout)
    if (timeout !== null && timeout > 0 && !endless) this.#interruption.limit(timeout)
    const { createContext } = await import('./create-context.js')
    const context = createContext({
      host: this.#host,
      settings,
      output,
      signal: this.#interruption.signal,
      finish: (code) => {
        this.exitCode = code
      },
      onClose: (close) => {
        this.#closers.push(close)
      },
    })
    await work(context)
  }

  /** Closes what was opened, the last first; a failure to close does not undo what was done. */
  async close(): Promise<void> {
    for (const close of this.#closers.splice(0).reverse()) {
      try {
        await close()
      } catch (error) {
        const output = await this.output()
        output.warn({ code: 'CLOSE_FAILED', message: asError(error).message })
      }
    }
  }

  async #settings(command: Command): Promise<Settings> {
    const [{ Settings }, { loadConfigFile }, { variable, CONFIG_VARIABLE, PROFILE_VARIABLE }] =
      await Promise.all([
        import('../config/settings.js'),
        import('../config/config-file.js'),
        import('../config/environment.js'),
      ])
    const { environment, cwd, uid } = this.#host
    const flags = flagTexts(command)
    const file = await loadConfigFile({
      path: flags.get('--config')?.[0] ?? variable(environment, CONFIG_VARIABLE),
      profile: flags.get('--profile')?.[0] ?? variable(environment, PROFILE_VARIABLE),
      cwd,
      uid,
    })
    return new Settings({ flags, environment, file })
  }

  async #createOutput(reporting: Reporting): Promise<Output> {
    const { createOutput } = await import('../output/create-output.js')
    const { stdout, stderr, runId, monotonic } = this.#host
    return createOutput({ streams: { stdout, stderr }, reporting, runId, now: monotonic })
  }

  async #warnOfMisspelt(output: Output): Promise<void> {
    const { misspeltVariables } = await import('../config/environment.js')
    for (const { name, meant } of misspeltVariables(this.#host.environment)) {
      output.warn({ code: 'UNKNOWN_VARIABLE', message: `${name} is not a setting; did you mean ${meant}?` })
    }
  }
}

/** Asked before the command line is parsed, so that what is wrong with it is told in the right form too. */
export function formatOf(args: readonly string[]): Reporting['format'] {
  const end = args.indexOf('--')
  const flags = end === -1 ? args : args.slice(0, end)
  const named = (format: string) =>
    flags.some(
      (flag, index) => flag === `--format=${format}` || (flag === '--format' && flags[index + 1] === format),
    )
  if (flags.includes('--json') || named('json')) return 'json'
  return named('nagios') ? 'nagios' : 'text'
}
