import { Command } from 'commander'

import { wholeNumber } from '../config/values.js'
import { AbortedError, OpsError } from '../core/errors.js'
import { ExitCode } from '../core/exit-code.js'
import { cacheFolder } from './cache-folder.js'
import { act } from './command.js'
import type { CommandContext, Launcher } from './context.js'
import { parsed } from './parse.js'
import { chooseBackup, openOwnRepository } from './repository-command.js'

interface Flags {
  readonly series?: string
  readonly port?: number
  readonly allowPartial?: boolean
  readonly includeErased?: boolean
}

export function backupServeCommand(launcher: Launcher): Command {
  const command = new Command('serve')
    .description('look into a backup: a Chroma server on a private copy, gone on Ctrl-C')
    .argument('[backup]', 'an id or its beginning, latest, latest~1, or a time (default: latest)')
    .option('--series <name>', 'choose among the backups of a series')
    .addOption(parsed('--port <n>', 'the port to listen on (default: a free one)', wholeNumber(1, 65_535)))
    .option('--allow-partial', 'serve what there is of a partial backup')
    .option('--include-erased', 'bring back records that were erased since the backup')
  return act(command, launcher, async (context, selector = 'latest') => {
    await serve(context, selector, command.opts<Flags>())
  })
}

async function serve(context: CommandContext, selector: string, flags: Flags): Promise<void> {
  const { output, signal, host } = context
  const repository = await openOwnRepository(context)
  const { head, warnings } = await chooseBackup(context, repository, selector, flags)
  const [{ serveBackup }, tempDir] = await Promise.all([
    import('../backup/serve-backup.js'),
    context.tempDir(),
  ])
  const served = await serveBackup({
    repository,
    head,
    tempDir,
    cacheDir: await cacheFolder(context, tempDir),
    port: flags.port,
    allowPartial: flags.allowPartial ?? false,
    includeErased: flags.includeErased,
    now: host.now,
    progress: output,
    signal,
  })
  // Neither the server nor waiting for a signal keeps this process alive.
  const alive = setInterval(() => {}, 3_600_000)
  try {
    // With --json the document comes at the end; who waits for the server reads this.
    output.note(`serving ${head.id} at ${served.url}; Ctrl-C ends it, and what was written to it is gone`)
    const { url, directory } = served
    output.result({ backup: head.id, url, directory, warnings }, () => url)
    const end = await Promise.race([served.exited, aborted(signal)])
    if (end !== 'aborted') throw new ServerEndedError(`the server of ${head.id} has ended by itself`)
    // Being stopped is how it ends; only a time limit is none.
    if (signal.reason instanceof OpsError && signal.reason.exitCode === ExitCode.timeout)
      throw new AbortedError(signal.reason)
  } finally {
    clearInterval(alive)
    await served.stop()
  }
}

class ServerEndedError extends OpsError {
  override readonly code = 'SERVER_ENDED'
}

async function aborted(signal: AbortSignal): Promise<'aborted'> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve('aborted')
    else signal.addEventListener('abort', () => resolve('aborted'), { once: true })
  })
}
