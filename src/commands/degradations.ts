import type { Repository } from '../backup/repository.js'
import type { Spool } from '../backup/spool.js'
import { ExitCode } from '../core/exit-code.js'
import type { Style } from '../output/style.js'
import type { CommandContext } from './context.js'

/** What is not as it should be with a result that counts nevertheless. */
export interface Degradation {
  /** Stable: `STORE_AWAY`, `SERVER_AWAY`, `SPOOL_WAITING`. */
  readonly code: string
  readonly message: string
  /** What to do, with the command where there is one. */
  readonly recover: string
}

/** Gathers in what way a backup is degraded; each is told at once, as a warning. */
export class Degradations {
  readonly list: Degradation[] = []
  readonly #context: CommandContext
  /** Where the backup goes in place of its repository. */
  #spool: { readonly spool: Spool; readonly repository: Repository } | null = null

  constructor(context: CommandContext) {
    this.#context = context
  }

  add(degradation: Degradation): void {
    this.list.push(degradation)
    const { code, message, recover } = degradation
    this.#context.output.warn({ code, message: `${message}; ${recover}` })
  }

  writesTo(spool: Spool, repository: Repository): void {
    this.#spool = { spool, repository }
  }

  /** A backup was made: 3 where it would have been 0, and what waits in a spool is announced. */
  async finish(
    exitCode: ExitCode,
    backup: { readonly id: string; readonly pins: readonly string[] },
  ): Promise<void> {
    const { host, actor } = this.#context
    const isFine = exitCode === ExitCode.ok && this.list.length > 0
    this.#context.finish(isFine ? ExitCode.findings : exitCode)
    if (this.#spool === null) return
    const { announce } = await import('../backup/spool.js')
    const { spool, repository } = this.#spool
    await announce(spool, repository, { backup: backup.id, pins: backup.pins, host: host.hostname, actor })
  }

  /** Lines for a person. */
  describe(style: Style): string[] {
    return this.list.flatMap(({ message, recover }) => [
      '',
      `${style.bad('degraded')}: ${message}`,
      `  ${recover}`,
    ])
  }
}
