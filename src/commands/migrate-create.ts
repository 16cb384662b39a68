import { Command } from 'commander'

import { act } from './command.js'
import type { Launcher } from './context.js'
import { DIR_FLAG, migrationsFolder } from './migrations-folder.js'

interface Flags {
  readonly dir?: string
  readonly template?: string
  readonly js?: boolean
}

const TEMPLATES =
  'blank (default), transform, filter, reembed, space, dimension, rename, split, merge, copy, create, drop, metadata, configuration, step'

export function migrateCreateCommand(launcher: Launcher): Command {
  const command = new Command('create')
    .description('write a new migration file with the next number, and its line in chroma-ops.sum')
    .argument('<name>', 'what it is about: docs_cosine')
    .option('--template <name>', `what it starts from: ${TEMPLATES}`)
    .option('--js', 'JavaScript instead of TypeScript')
    .option(...DIR_FLAG)
  return act(command, launcher, async (context, title) => {
    const { dir, template, js = false } = command.opts<Flags>()
    context.changes('migrate create')
    const folder = migrationsFolder(context, dir)
    const { createMigration } = await import('../migrations/files/create-file.js')
    const created = await createMigration({
      dir: folder,
      root: context.host.cwd,
      title: title ?? '',
      template,
      language: js ? 'js' : 'ts',
    })
    context.output.result(created, ({ file }) => file)
  })
}
