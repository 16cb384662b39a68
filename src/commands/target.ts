import path from 'node:path'

import { catalogue } from '../config/catalogue.js'
import { isCloud } from '../config/cloud.js'
import { UsageError } from '../core/errors.js'
import type { CommandContext } from './context.js'

/**
 * The data directory that a command is about, as an absolute path; null when it is about a server. What was
 * named on the command line counts more than the environment and the configuration file. Throws a
 * {@link UsageError} when a directory and a server are named with equal right.
 */
export function targetDirectory({ settings, host }: CommandContext): string | null {
  const directory = settings.value(catalogue.dataPath)
  if (directory === null) return null
  const server = isCloud(settings) ? catalogue.cloud : catalogue.url
  const serverSource = settings.source(server).from
  const directoryIsFlag = settings.source(catalogue.dataPath).from === 'flag'
  const serverIsFlag = serverSource === 'flag'
  if (serverIsFlag && !directoryIsFlag) return null
  if (serverSource !== 'default' && directoryIsFlag === serverIsFlag)
    throw new UsageError('both a server and a data directory are named', {
      hint: 'give --url or --path, not both',
    })
  return path.resolve(host.cwd, directory)
}
