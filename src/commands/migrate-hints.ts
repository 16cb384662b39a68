import { OpsError } from '../core/errors.js'
import { shellWord } from '../core/shell-word.js'
import type { Settings } from '../config/settings.js'
import { completeCommand, completeCommands, withCompleteHint } from './complete-commands.js'
import type { CommandContext } from './context.js'
import type { MigrateFlags } from './migrate-flags.js'

/** The next commands as they can be pasted: with the folder, the server and the database of this run. */
export class MigrateHints {
  readonly #settings: Settings
  readonly #own: string

  constructor(settings: Settings, { dir, env }: MigrateFlags) {
    this.#settings = settings
    const words = [...(dir === undefined ? [] : ['--dir', dir]), ...(env === undefined ? [] : ['--env', env])]
    this.#own = words.map((word) => ` ${shellWord(word)}`).join('')
  }

  /** `migrate up` with all that it needs. */
  command(words: string): string {
    return completeCommand(`chroma-ops ${words}${this.#own}`, this.#settings)
  }

  /** Commands in quotes get what they need; everything else stays. */
  text(text: string): string {
    return completeCommands(this.#withOwn(text), this.#settings)
  }

  /** The same failure, with a hint that can be pasted. */
  error(error: OpsError): OpsError {
    if (error.hint === undefined) return error
    return withCompleteHint(error, this.#settings, this.#withOwn(error.hint))
  }

  #withOwn(text: string): string {
    return text
      .replaceAll(BARE, '"$&"')
      .replaceAll(
        /"(chroma-ops migrate [^"]+)"/g,
        (_, command: string) => `"${command.includes(this.#own) ? command : `${command}${this.#own}`}"`,
      )
  }
}

/** A command without quotes around it: its end is where the words do not look like those of a command any more. An id may begin with a digit, as a version does. */
const BARE =
  /(?<!["`])chroma-ops migrate [a-z]+(?: (?:--[a-z][a-z-]*|<[a-z]+>|[\da-f]{8}-[\da-f-]{27}|\d\w*(?:\.\w+)?))*/g

/** Does the work of a command; hints of its failures can be pasted. */
export async function withMigrateHints(
  { settings }: CommandContext,
  flags: MigrateFlags,
  work: (hints: MigrateHints) => Promise<void>,
): Promise<void> {
  const hints = new MigrateHints(settings, flags)
  try {
    await work(hints)
  } catch (error) {
    throw error instanceof OpsError ? hints.error(error) : error
  }
}
