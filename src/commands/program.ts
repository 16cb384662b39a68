import { Command, Help } from 'commander'

import { backupCommand } from './backup.js'
import { cleanupCommand } from './cleanup.js'
import { defaultOf } from './command.js'
import { completionCommand } from './completion.js'
import { configCommand } from './config.js'
import { copyCommand } from './copy.js'
import type { Launcher } from './context.js'
import { eraseCommand } from './erase.js'
import { explainCommand } from './explain.js'
import { healthCommand } from './health.js'
import { migrateCommand } from './migrate.js'
import { rebuildCommand } from './rebuild.js'
import { repoCommand } from './repo.js'
import { rescueCommand } from './rescue.js'
import { restoreCommand } from './restore.js'
import { scheduleCommand } from './schedule.js'
import { addSharedFlags } from './shared-flags.js'
import { statusCommand } from './status.js'

/** Where commander writes help and version. */
export interface HelpSink {
  readonly help: (text: string) => void
  readonly error: (text: string) => void
}

/** Shared flags that the help of every command repeats; the others are in the help of chroma-ops itself. */
const REPEATED = ['--url', '--repo', '--tenant', '--database', '--profile', '--json']

/** The whole command line as a tree; nothing heavy is loaded by building it. */
export function createProgram(launcher: Launcher, version: string, sink: HelpSink): Command {
  const root = new Command('chroma-ops')
    .description('Operations for ChromaDB: health, backup, verified restore, migrations.')
    .version(version, '--version', 'print the version')
    .exitOverride()
    // Surplus words are refused by the commands themselves, with a suggestion.
    .allowExcessArguments(true)
    .configureOutput({
      writeOut: sink.help,
      writeErr: sink.error,
      // Usage errors are reported in one place, so that --json covers them.
      outputError: () => {},
    })
    .configureHelp({ showGlobalOptions: true, visibleGlobalOptions: repeatedFlags, visibleOptions })
  addSharedFlags(root)
  for (const command of [
    healthCommand(launcher),
    cleanupCommand(launcher),
    backupCommand(launcher),
    restoreCommand(launcher),
    copyCommand(launcher),
    rescueCommand(launcher),
    migrateCommand(launcher),
    rebuildCommand(launcher),
    eraseCommand(launcher),
    repoCommand(launcher),
    statusCommand(launcher),
    scheduleCommand(launcher),
    configCommand(launcher),
    explainCommand(launcher),
    completionCommand(launcher, () => root),
  ]) {
    root.addCommand(command)
  }
  inherit(root)
  return root
}

/** `addCommand` does not hand down what was set on the parent. */
function inherit(parent: Command): void {
  for (const command of parent.commands) {
    command.copyInheritedSettings(parent)
    inherit(command)
  }
}

function visibleOptions(this: Help, command: Command): ReturnType<Help['visibleOptions']> {
  const own = Help.prototype.visibleOptions.call(this, command)
  const byDefault = defaultOf(command)
  if (byDefault === undefined) return own
  return [...own, ...byDefault.options.filter((option) => !own.includes(option))]
}

function repeatedFlags(this: Help, command: Command): ReturnType<Help['visibleGlobalOptions']> {
  let root = command
  while (root.parent !== null) root = root.parent
  return root === command ? [] : root.options.filter(({ long }) => REPEATED.includes(long ?? ''))
}
