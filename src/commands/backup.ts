import { Command } from 'commander'

import { backupCreateCommand } from './backup-create.js'
import { backupDiffCommand } from './backup-diff.js'
import { backupDrillCommand } from './backup-drill.js'
import { backupExportCommand } from './backup-export.js'
import { backupFindCommand } from './backup-find.js'
import { backupHoldCommand, backupReleaseCommand } from './backup-hold.js'
import { backupImportCommand } from './backup-import.js'
import { backupListCommand } from './backup-list.js'
import { backupPruneCommand } from './backup-prune.js'
import { backupServeCommand } from './backup-serve.js'
import { backupShowCommand } from './backup-show.js'
import { backupTagCommand } from './backup-tag.js'
import { backupUndeleteCommand } from './backup-undelete.js'
import { backupVerifyCommand } from './backup-verify.js'
import { addDefault } from './command.js'
import type { Launcher } from './context.js'

/** `backup` alone means `backup create`. */
export function backupCommand(launcher: Launcher): Command {
  const backup = new Command('backup')
    .description('back up a server; list, check and try out backups')
    .helpCommand(false)
  return addDefault(backup, backupCreateCommand(launcher))
    .addCommand(backupListCommand(launcher))
    .addCommand(backupShowCommand(launcher))
    .addCommand(backupVerifyCommand(launcher))
    .addCommand(backupDrillCommand(launcher))
    .addCommand(backupServeCommand(launcher))
    .addCommand(backupDiffCommand(launcher))
    .addCommand(backupFindCommand(launcher))
    .addCommand(backupExportCommand(launcher))
    .addCommand(backupImportCommand(launcher))
    .addCommand(backupTagCommand(launcher))
    .addCommand(backupHoldCommand(launcher))
    .addCommand(backupReleaseCommand(launcher))
    .addCommand(backupPruneCommand(launcher))
    .addCommand(backupUndeleteCommand(launcher))
}
