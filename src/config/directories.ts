import { access, constants, mkdir } from 'node:fs/promises'
import path from 'node:path'

import { asError, UsageError } from '../core/errors.js'
import { catalogue } from './catalogue.js'
import { sourceText, type Setting } from './setting.js'
import type { Environment, Settings } from './settings.js'

export interface DirectoriesJob {
  readonly settings: Settings
  readonly environment: Environment
  /** The user's home; null where there is none, as in many containers. */
  readonly home: string | null
  /** The system's folder for temporary files. */
  readonly systemTemp: string
}

/** Folders that can be written to; made on first use. Null: there is none, and the caller does without. */
export interface Directories {
  /** Rejects with a UsageError if a folder was named and cannot be used. */
  state(): Promise<string | null>
  cache(): Promise<string | null>
  temp(): Promise<string | null>
}

export function directories(job: DirectoriesJob): Directories {
  const { environment, home, settings, systemTemp } = job
  return {
    state: () =>
      usable(settings, catalogue.stateDir, [
        below(environment['XDG_STATE_HOME']),
        below(home, '.local', 'state'),
      ]),
    cache: () =>
      usable(settings, catalogue.cacheDir, [below(environment['XDG_CACHE_HOME']), below(home, '.cache')]),
    temp: () => usable(settings, catalogue.tempDir, [systemTemp]),
  }
}

/** Our folder below a base; a relative base is invalid by the XDG specification and ignored. */
function below(base: string | null | undefined, ...segments: readonly string[]): string | null {
  if (base === null || base === undefined || !path.isAbsolute(base)) return null
  return path.join(base, ...segments, 'chroma-ops')
}

async function usable(
  settings: Settings,
  setting: Setting<string | null>,
  candidates: readonly (string | null)[],
): Promise<string | null> {
  const named = settings.value(setting)
  if (named !== null) {
    const problem = await problemWith(named)
    if (problem === null) return named
    throw new UsageError(`${sourceText(settings.source(setting))}: cannot write to ${named}: ${problem}`)
  }
  for (const candidate of candidates) {
    if (candidate !== null && (await problemWith(candidate)) === null) return candidate
  }
  return null
}

async function problemWith(folder: string): Promise<string | null> {
  try {
    await mkdir(folder, { recursive: true, mode: 0o700 })
    await access(folder, constants.W_OK | constants.X_OK)
    return null
  } catch (error) {
    return asError(error).message
  }
}
