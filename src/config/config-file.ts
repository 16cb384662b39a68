import { readFile, stat } from 'node:fs/promises'
import path from 'node:path'

import { asError, isErrno } from '../core/errors.js'
import { suggestion } from '../core/suggest.js'
import type { FileContent, FileValue } from './config-schema.js'
import { ConfigFileError } from './errors.js'

/** A configuration file as one profile of it says. */
export interface ConfigFile {
  readonly path: string
  readonly profile: string | null
  /** Every profile of the file, as they stand there. */
  readonly profiles: readonly string[]
  /** False: another user owns it, or everybody may write it. It then gets no secrets and no commands. */
  readonly trusted: boolean
  /** By key, `pool.max`; what the profile says covers what stands outside. */
  readonly values: ReadonlyMap<string, FileValue>
}

export interface ConfigFileJob {
  /** Null: look in the working folder. */
  readonly path: string | null
  /** Null: the file's own choice, or none. */
  readonly profile: string | null
  readonly cwd: string
  /** Null where there are no user ids. */
  readonly uid: number | null
}

const NAMES = ['chroma-ops.config.json', 'chroma-ops.config.yaml', 'chroma-ops.config.yml']

/** Null when no file was named and none is there. Rejects with {@link ConfigFileError}. */
export async function loadConfigFile(job: ConfigFileJob): Promise<ConfigFile | null> {
  const file = job.path === null ? await findFile(job.cwd) : path.resolve(job.cwd, job.path)
  if (file === null) {
    if (job.profile === null) return null
    throw new ConfigFileError(`no configuration file that could have the profile "${job.profile}"`, {
      hint: `name one with --config, or put ${NAMES.join(' or ')} here`,
    })
  }
  const [text, trusted] = await Promise.all([readText(file), isTrusted(file, job.uid)])
  // Schema and YAML are loaded only where there is a file.
  const { parseConfig } = await import('./config-schema.js')
  const content = parseConfig(file, text)
  const profile = job.profile ?? content.profile
  const profiles = [...content.profiles.keys()]
  return { path: file, profile, profiles, trusted, values: valuesOf(file, content, profile) }
}

async function findFile(folder: string): Promise<string | null> {
  const candidates = NAMES.map((name) => path.join(folder, name))
  const present = await Promise.all(candidates.map(exists))
  const [first, second] = candidates.filter((_, index) => present[index])
  if (second !== undefined) {
    throw new ConfigFileError(`there are two configuration files, ${first ?? ''} and ${second}`, {
      hint: 'name one with --config',
    })
  }
  return first ?? null
}

async function exists(file: string): Promise<boolean> {
  try {
    await stat(file)
    return true
  } catch (error) {
    // A working folder that we must not look into has no configuration for us.
    if (isErrno(error, 'ENOENT', 'ENOTDIR', 'EACCES')) return false
    throw error
  }
}

async function readText(file: string): Promise<string> {
  try {
    return await readFile(file, 'utf8')
  } catch (error) {
    throw new ConfigFileError(`cannot read the configuration file ${file}: ${asError(error).message}`, {
      cause: error,
    })
  }
}

async function isTrusted(file: string, uid: number | null): Promise<boolean> {
  if (uid === null) return true
  try {
    const info = await stat(file)
    // Root could do anything anyway, and owns what an orchestrator mounts.
    return (info.uid === uid || info.uid === 0) && (info.mode & 0o002) === 0
  } catch (error) {
    throw new ConfigFileError(`cannot read the configuration file ${file}: ${asError(error).message}`, {
      cause: error,
    })
  }
}

function valuesOf(file: string, content: FileContent, profile: string | null): Map<string, FileValue> {
  if (profile === null) return new Map(content.values)
  const chosen = content.profiles.get(profile)
  if (chosen === undefined) {
    const known = [...content.profiles.keys()]
    throw new ConfigFileError(`no profile "${profile}" in ${file}`, {
      hint: known.length === 0 ? 'the file has no profiles' : suggestion(profile, known),
    })
  }
  return new Map([...content.values, ...chosen])
}
