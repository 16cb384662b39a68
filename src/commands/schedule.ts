import type { Command } from 'commander'

import { group } from './command.js'
import type { Launcher } from './context.js'
import { schedulePrintCommand } from './schedule-print.js'
import { scheduleRunCommand } from './schedule-run.js'

export function scheduleCommand(launcher: Launcher): Command {
  return group(
    'schedule',
    'make backups by the clock',
    scheduleRunCommand(launcher),
    schedulePrintCommand(launcher),
  )
}
