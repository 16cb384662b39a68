import { Command } from 'commander'

import type { AuditEntry, DamagedAuditEntry } from '../backup/audit-log.js'
import { durationOf } from '../config/values.js'
import { ExitCode } from '../core/exit-code.js'
import { instant } from '../output/format.js'
import { act } from './command.js'
import type { Launcher } from './context.js'
import { parsed } from './parse.js'
import { openOwnRepository } from './repository-command.js'

export function repoLogCommand(launcher: Launcher): Command {
  const command = new Command('log')
    .description('who changed what, and how it ended, the oldest first')
    .addOption(parsed('--since <duration>', 'no older than that', durationOf).default(30 * 86_400_000, '30d'))
  return act(command, launcher, async (context) => {
    const { since } = command.opts<{ readonly since: number }>()
    const { output, host, signal } = context
    const repository = await openOwnRepository(context)
    const [{ readAuditLog }, { table }] = await Promise.all([
      import('../backup/audit-log.js'),
      import('../output/table.js'),
    ])
    const entries: AuditEntry[] = []
    const damaged: DamagedAuditEntry[] = []
    const from = new Date(host.now().getTime() - since)
    for await (const entry of readAuditLog(repository, { since: from, signal }))
      if ('damage' in entry) damaged.push(entry)
      else entries.push(entry)
    for (const { key, damage } of damaged)
      output.warn({ code: 'DOCUMENT_DAMAGED', message: `${key} ${damage}` })
    if (damaged.length > 0) context.finish(ExitCode.findings)
    output.result({ repository: repository.store.displayUrl, entries, damaged }, () =>
      entries.length === 0
        ? 'no entries'
        : table(
            ['time', 'who', 'where', 'command', 'how it ended'],
            entries.map(({ time, actor, host: machine, command: name, result }) => [
              instant(new Date(time)),
              actor,
              machine,
              name,
              outcomeOf(result),
            ]),
          ),
    )
  })
}

function outcomeOf({ outcome, code, backup }: AuditEntry['result']): string {
  if (typeof code === 'string') return `${String(outcome)}: ${code}`
  return typeof backup === 'string' ? `${String(outcome)}: ${backup}` : String(outcome)
}
