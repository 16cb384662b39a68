import { catalogue } from '../config/catalogue.js'
import { isCloud } from '../config/cloud.js'
import { flagName, type Settings } from '../config/settings.js'
import type { Setting } from '../config/setting.js'
import { shellWord } from '../output/format.js'

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

/** The command that restores a backup to where it came from; holds no secret. */
export function restoreCommandLine(backup: string, url: string, settings: Settings): string {
  const repo = settings.value(catalogue.repo) ?? ''
  const target = isCloud(settings) ? ['--cloud'] : ['--url', url]
  const words = ['chroma-ops', 'restore', backup, '--repo', repo, ...target]
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
