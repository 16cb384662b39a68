import type { Command } from 'commander'

import { group } from './command.js'
import type { Launcher } from './context.js'
import { repoCheckCommand } from './repo-check.js'
import { repoCopyCommand } from './repo-copy.js'
import { repoInitCommand } from './repo-init.js'
import { repoKeyCommand } from './repo-key.js'
import { repoLogCommand } from './repo-log.js'
import { repoPushCommand } from './repo-push.js'

export function repoCommand(launcher: Launcher): Command {
  return group(
    'repo',
    'create and check repositories',
    repoInitCommand(launcher),
    repoCheckCommand(launcher),
    repoCopyCommand(launcher),
    repoPushCommand(launcher),
    repoLogCommand(launcher),
    repoKeyCommand(launcher),
  )
}
