import path from 'node:path'

import { UsageError } from '../core/errors.js'
import { allSettings } from './catalogue.js'
import type { ConfigFile } from './config-file.js'
import { SettingError } from './errors.js'
import { ambiguousSettings, sideFlags, sideSettings, sideVariables, type ServerSide } from './server-side.js'
import { sourceText, type Setting, type Source } from './setting.js'

export type Environment = Readonly<Record<string, string | undefined>>

/** What was given, by layer. */
export interface Layers {
  /** By long flag, `--url`; a switch has one text, `true`. */
  readonly flags: ReadonlyMap<string, readonly string[]>
  readonly environment: Environment
  readonly file: ConfigFile | null
  /** Of two servers, the one that these settings are about; absent: there is one. */
  readonly side?: ServerSide
}

interface Given {
  readonly texts: readonly string[]
  readonly source: Source
}

/** Flag over environment over configuration file over default; each value knows where it came from. */
export class Settings {
  readonly #layers: Layers

  /** Throws a {@link SettingError} if any value is wrong, used or not. */
  constructor(layers: Layers) {
    this.#layers = layers
    for (const [, setting] of allSettings) this.value(setting)
  }

  value<T>(setting: Setting<T>): T {
    const given = this.#given(setting)
    if (given === undefined) return setting.fallback
    try {
      return setting.read(given.texts)
    } catch (error) {
      if (!(error instanceof UsageError)) throw error
      throw new SettingError(`${sourceText(given.source)}: ${error.message}`, {
        hint: error.hint,
        cause: error,
      })
    }
  }

  source(setting: Setting<unknown>): Source {
    return this.#given(setting)?.source ?? { from: 'default' }
  }

  /** What was written, undefined when nothing was; for showing it again. */
  texts(setting: Setting<unknown>): readonly string[] | undefined {
    return this.#given(setting)?.texts
  }

  /** `--config` and `--profile`, if they were given as flags. */
  get fileFlags(): { readonly configFlag: string | undefined; readonly profileFlag: string | undefined } {
    const { flags } = this.#layers
    return { configFlag: flags.get('--config')?.[0], profileFlag: flags.get('--profile')?.[0] }
  }

  /** The same flags and environment over another profile. */
  withFile(file: ConfigFile | null): Settings {
    return new Settings({ ...this.#layers, file })
  }

  /**
   * The settings of one of two servers. What says which server, and with which credentials, is read from
   * `--from-…` and `CHROMA_OPS_FROM_…` and from `profile`, never from what is meant for one server.
   */
  forSide(
    side: ServerSide,
    given: { readonly flags: ReadonlyMap<string, readonly string[]>; readonly profile: ConfigFile | null },
  ): Settings {
    const flags = new Map([...this.#layers.flags, ...given.flags])
    const file = given.profile ?? withoutServer(this.file)
    return new Settings({ ...this.#layers, flags, file, side })
  }

  /** The file that was read, and its profile; null when there is none. */
  get file(): ConfigFile | null {
    return this.#layers.file
  }

  #given(setting: Setting<unknown>): Given | undefined {
    return this.#fromFlag(setting) ?? this.#fromEnvironment(setting) ?? this.#fromFile(setting)
  }

  #fromFlag(setting: Setting<unknown>): Given | undefined {
    const { side } = this.#layers
    const isAmbiguous = side !== undefined && ambiguousSettings.includes(setting)
    if (setting.flags === null || (isAmbiguous && !sideSettings.includes(setting))) return undefined
    const name = flagName(isAmbiguous ? sideFlags(side, setting.flags) : setting.flags)
    const texts = this.#layers.flags.get(name)
    return texts === undefined ? undefined : { texts, source: { from: 'flag', name } }
  }

  #fromEnvironment(setting: Setting<unknown>): Given | undefined {
    const { presence } = setting
    for (const name of this.#variablesOf(setting)) {
      const text = this.#layers.environment[name]
      // Compose files and unit files set variables to nothing in order to unset them.
      if (text === undefined || text === '') continue
      return { texts: [presence ? 'true' : text], source: { from: 'environment', name } }
    }
    return undefined
  }

  #variablesOf(setting: Setting<unknown>): readonly string[] {
    const { side } = this.#layers
    if (side === undefined || !ambiguousSettings.includes(setting)) return setting.environment
    return sideSettings.includes(setting) ? sideVariables(side, setting) : []
  }

  #fromFile(setting: Setting<unknown>): Given | undefined {
    const { file } = this.#layers
    const found = setting.key === null ? undefined : file?.values.get(setting.key)
    if (file === null || found === undefined || setting.key === null) return undefined
    const { path: place, trusted } = file
    const source = { from: 'file', path: place, profile: found.profile, key: setting.key, trusted } as const
    const texts = setting.path ? found.texts.map((text) => besideFile(place, text)) : found.texts
    return { texts, source }
  }
}

/** What a file says outside of profiles is meant for one server. */
function withoutServer(file: ConfigFile | null): ConfigFile | null {
  if (file === null) return null
  const own = new Set(ambiguousSettings.map(({ key }) => key))
  return { ...file, values: new Map([...file.values].filter(([key]) => !own.has(key))) }
}

/** `--connect-timeout` of `--connect-timeout <duration>`. */
export function flagName(flags: string): string {
  return flags.split(' ', 1)[0] ?? flags
}

/** A relative path counts from the folder of the configuration file, wherever the command runs. */
function besideFile(file: string, text: string): string {
  return /^[a-z][a-z0-9+.-]*:/i.test(text) ? text : path.resolve(path.dirname(file), text)
}
