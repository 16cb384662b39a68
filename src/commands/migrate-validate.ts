import { Command } from 'commander'

import { ExitCode } from '../core/exit-code.js'
import type { ValidationReport } from '../migrations/files/validate-migrations.js'
import { plural } from '../output/format.js'
import type { Style } from '../output/style.js'
import { act } from './command.js'
import type { Launcher } from './context.js'
import { DIR_FLAG, migrationsFolder } from './migrations-folder.js'

interface Flags {
  readonly dir?: string
  readonly offline?: boolean
  readonly updateSum?: boolean
}

export function migrateValidateCommand(launcher: Launcher): Command {
  const command = new Command('validate')
    .description('check the migration files and chroma-ops.sum; what is on a server is for migrate status')
    .option('--offline', 'ask no server, which it never does (for scripts that want to say so)')
    .option('--update-sum', 'write chroma-ops.sum anew, from the files as they are, before they are checked')
    .option(...DIR_FLAG)
  return act(command, launcher, async (context) => {
    const { dir, updateSum = false } = command.opts<Flags>()
    const { signal, host, output } = context
    const job = { dir: migrationsFolder(context, dir), root: host.cwd, signal }
    if (updateSum) {
      context.changes('migrate validate --update-sum')
      const update = await import('../migrations/files/update-sum.js')
      await update.updateSum(job)
    }
    const { validateMigrations } = await import('../migrations/files/validate-migrations.js')
    const report = await validateMigrations(job)
    if (report.problems.length > 0) context.finish(ExitCode.usage)
    output.result(report, describe)
  })
}

function describe({ migrations, problems }: ValidationReport, style: Style): string {
  const lines = problems.flatMap(({ file, line, message, hint }) => [
    `${style.bad('error')}  ${line === null ? file : `${file}:${line}`}: ${message}`,
    ...(hint === null ? [] : [`       ${style.dim(`hint: ${hint}`)}`]),
  ])
  if (problems.length === 0) return `${plural(migrations.length, 'migration')}, nothing wrong`
  return [...lines, '', `${plural(problems.length, 'problem')} found`].join('\n')
}
