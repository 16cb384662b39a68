import { sideFlags, sideSettings, type ServerSide } from '../config/server-side.js'
import { OpsError } from '../core/errors.js'
import type { ExitCode } from '../core/exit-code.js'

/** `--token-file` and the others that a copy has for each of its servers. */
const FLAGS = sideSettings.flatMap(({ flags }) => /^--[a-z-]+/.exec(flags ?? '')?.[0] ?? [])
const FLAG = new RegExp(`(?<![\\w-])(?:${FLAGS.join('|')})(?![\\w-])`, 'g')

/** A failure whose texts name the flags of the server that it is about, or of both when that is not known. */
export class SideError extends OpsError {
  override readonly code: string
  override readonly exitCode: ExitCode

  constructor(error: OpsError, sides: readonly ServerSide[]) {
    const named = (text: string) =>
      text.replace(FLAG, (flag) => sides.map((side) => sideFlags(side, flag)).join(' or '))
    super(named(error.message), { hint: error.hint && named(error.hint), cause: error })
    this.code = error.code
    this.exitCode = error.exitCode
  }
}

/** Does work with these servers: flags in what its failures say are those of a copy. */
export async function naming<T>(sides: readonly ServerSide[], work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (error) {
    if (!(error instanceof OpsError)) throw error
    throw `${error.message} ${error.hint ?? ''}`.search(FLAG) < 0 ? error : new SideError(error, sides)
  }
}
