import type { Command } from 'commander'

import { group } from './command.js'
import type { Launcher } from './context.js'
import { migrateCompleteCommand } from './migrate-complete.js'
import { migrateCreateCommand } from './migrate-create.js'
import { migrateDownCommand, migrateRedoCommand } from './migrate-down.js'
import { migrateHistoryCommand } from './migrate-history.js'
import { migrateLintCommand } from './migrate-lint.js'
import { migratePlanCommand } from './migrate-plan.js'
import { migrateRenumberCommand } from './migrate-renumber.js'
import { migrateBaselineCommand, migrateRepairCommand } from './migrate-repair.js'
import { migrateAbortCommand, migrateResumeCommand } from './migrate-resume.js'
import { migrateStatusCommand } from './migrate-status.js'
import { migrateUnlockCommand } from './migrate-unlock.js'
import { migrateUpCommand } from './migrate-up.js'
import { migrateValidateCommand } from './migrate-validate.js'

export function migrateCommand(launcher: Launcher): Command {
  return group(
    'migrate',
    'change collections by versioned migrations, and take them back',
    migrateCreateCommand(launcher),
    migrateValidateCommand(launcher),
    migrateLintCommand(launcher),
    migrateRenumberCommand(launcher),
    migrateStatusCommand(launcher),
    migratePlanCommand(launcher),
    migrateUpCommand(launcher),
    migrateDownCommand(launcher),
    migrateRedoCommand(launcher),
    migrateResumeCommand(launcher),
    migrateAbortCommand(launcher),
    migrateCompleteCommand(launcher),
    migrateRepairCommand(launcher),
    migrateBaselineCommand(launcher),
    migrateHistoryCommand(launcher),
    migrateUnlockCommand(launcher),
  )
}
