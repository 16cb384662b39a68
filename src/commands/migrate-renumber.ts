import { Command } from 'commander'

import { act } from './command.js'
import type { Launcher } from './context.js'
import { DIR_FLAG, migrationsFolder } from './migrations-folder.js'

export function migrateRenumberCommand(launcher: Launcher): Command {
  const command = new Command('renumber')
    .description('move a migration that is not merged yet behind all others, and write chroma-ops.sum anew')
    .argument('<file>', 'the file, with or without folder and extension')
    .option(...DIR_FLAG)
  return act(command, launcher, async (context, file) => {
    const { dir } = command.opts<{ readonly dir?: string }>()
    context.changes('migrate renumber')
    const { renumberMigration } = await import('../migrations/files/renumber-migration.js')
    const result = await renumberMigration({
      dir: migrationsFolder(context, dir),
      root: context.host.cwd,
      file: file ?? '',
    })
    context.output.result(result, ({ from, to }) => `${from} is now ${to}`)
  })
}
