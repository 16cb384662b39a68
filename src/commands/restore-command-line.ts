import type { BackupHead } from '../backup/manifest.js'
import { catalogue } from '../config/catalogue.js'
import { isCloud } from '../config/cloud.js'
import type { Setting } from '../config/setting.js'
import type { Settings } from '../config/settings.js'
import { shellWord } from '../core/shell-word.js'
import { fileWords, given, REPOSITORY_FLAGS, SERVER_FLAGS } from './complete-commands.js'

type RestorableBackup = Pick<BackupHead, 'id' | 'status'>

/** What a restore needs beside the backup and the addresses, if it was given as a flag. */
const KEPT: readonly Setting<unknown>[] = [
  ...REPOSITORY_FLAGS,
  ...SERVER_FLAGS,
  catalogue.stateDir,
  catalogue.cacheDir,
  catalogue.tempDir,
]

/** The command that restores a backup to where it came from, as far as it holds it; has no secret. */
export function restoreCommandLine(backup: RestorableBackup, url: string, settings: Settings): string {
  return commandLine(backup, isCloud(settings) ? ['--cloud'] : ['--url', url], settings)
}

/** The command that restores a backup of a data directory beside it, where nothing is in the way. */
export function restoreIntoDirectoryLine(
  backup: RestorableBackup,
  directory: string,
  settings: Settings,
): string {
  return commandLine(backup, ['--path', `${directory}.restored`], settings)
}

function commandLine(backup: RestorableBackup, target: readonly string[], settings: Settings): string {
  const repo = settings.value(catalogue.repo) ?? ''
  const words = ['chroma-ops', 'restore', backup.id, '--repo', repo, ...target]
  if (backup.status === 'partial') words.push('--allow-partial')
  words.push(...fileWords(settings).flat(), ...given(settings, KEPT).flat())
  return words.map(shellWord).join(' ')
}
