import type { BackupHead } from '../backup/manifest.js'
import { catalogue } from '../config/catalogue.js'
import { isCloud } from '../config/cloud.js'
import { flagName, type Settings } from '../config/settings.js'
import type { Setting } from '../config/setting.js'
import { shellWord } from '../output/format.js'

type RestorableBackup = Pick<BackupHead, 'id' | 'status'>

/** What a restore needs beside the backup and the addresses, if it was given as a flag. */
const KEPT: readonly Setting<unknown>[] = [
  catalogue.endpointUrl,
  catalogue.region,
  catalogue.tokenFile,
  catalogue.tokenCommand,
  catalogue.tokenHeader,
  catalogue.header,
  catalogue.caFile,
  catalogue.certFile,
  catalogue.keyFile,
  catalogue.tlsServerName,
  catalogue.stateDir,
  catalogue.cacheDir,
  catalogue.tempDir,
]

/** The command that restores a backup to where it came from, as far as it holds it; has no secret. */
export function restoreCommandLine(backup: RestorableBackup, url: string, settings: Settings): string {
  const repo = settings.value(catalogue.repo) ?? ''
  const target = isCloud(settings) ? ['--cloud'] : ['--url', url]
  const words = ['chroma-ops', 'restore', backup.id, '--repo', repo, ...target]
  if (backup.status === 'partial') words.push('--allow-partial')
  const { configFlag, profileFlag } = settings.fileFlags
  if (configFlag !== undefined) words.push('--config', configFlag)
  if (profileFlag !== undefined) words.push('--profile', profileFlag)
  for (const setting of KEPT) {
    if (setting.flags === null || settings.source(setting).from !== 'flag') continue
    const name = flagName(setting.flags)
    words.push(...(settings.texts(setting) ?? []).flatMap((text) => [name, text]))
  }
  return words.map(shellWord).join(' ')
}
