import path from 'node:path'

import { catalogue } from '../config/catalogue.js'
import { refuseUntrusted } from '../config/secrets.js'
import type { CommandContext } from './context.js'

/** The flag of all commands that read the files. */
export const DIR_FLAG = ['--dir <folder>', 'the folder with the migrations (default: migrations)'] as const

/**
 * Where the migrations are, as an absolute path: the flag, else the settings. Its files are run, so a
 * configuration file that somebody else can write cannot name it.
 */
export function migrationsFolder({ settings, host }: CommandContext, flag: string | undefined): string {
  if (flag === undefined) refuseUntrusted(catalogue.migrationsDir, settings)
  return path.resolve(host.cwd, flag ?? settings.value(catalogue.migrationsDir))
}
