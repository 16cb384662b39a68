import type { Command } from 'commander'

import { cleanupDataCommand } from './cleanup-data.js'
import { cleanupQuarantineCommand } from './cleanup-quarantine.js'
import { cleanupRunsCommand } from './cleanup-runs.js'
import { cleanupUndoCommand } from './cleanup-undo.js'
import { addDefault, group } from './command.js'
import type { Launcher } from './context.js'

/** `cleanup` alone, or with targets, means `cleanup data`. */
export function cleanupCommand(launcher: Launcher): Command {
  const cleanup = group('cleanup', 'remove what is left over in a data directory, and what chroma-ops left')
  return addDefault(cleanup, cleanupDataCommand(launcher))
    .addCommand(cleanupUndoCommand(launcher))
    .addCommand(cleanupQuarantineCommand(launcher))
    .addCommand(cleanupRunsCommand(launcher))
}
