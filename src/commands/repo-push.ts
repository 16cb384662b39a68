import { Command } from 'commander'

import { UsageError } from '../core/errors.js'
import { bytes, plural } from '../output/format.js'
import { withAudit } from './audit.js'
import { act } from './command.js'
import type { CommandContext, Launcher } from './context.js'

export function repoPushCommand(launcher: Launcher): Command {
  const command = new Command('push').description(
    'move backups that wait in --spool-dir into the repository; needs no key',
  )
  return act(command, launcher, async (context) => {
    context.changes('repo push')
    await push(context)
  })
}

async function push(context: CommandContext): Promise<void> {
  const { ownSpool, pushSpooled } = await import('./spool.js')
  const store = await context.openRepositoryStore()
  const spool = await ownSpool(context, store)
  if (spool === null) throw new UsageError('no spool is named', { hint: 'name its folder with --spool-dir' })
  const details = { repository: store.displayUrl, spool: spool.folder }
  const report = await withAudit(
    context,
    { repository: null, command: 'repo push', details },
    () => pushSpooled(context, spool, store),
    ({ pushed }) => ({ pushed }),
  )
  context.output.result({ repository: store.displayUrl, spool: spool.folder, ...report }, (done) =>
    done.pushed.length === 0
      ? `nothing waits in ${done.spool}`
      : [
          ...done.pushed.map((id) => `pushed ${id}`),
          `${plural(done.objects, 'object')} sent, ${bytes(done.bytes)}; the spool is empty`,
        ].join('\n'),
  )
}
