import { parseServerUrl } from '../chroma/server-url.js'
import { catalogue } from '../config/catalogue.js'
import { isCloud } from '../config/cloud.js'
import { loadConfigFile } from '../config/config-file.js'
import { sourceText, type Setting } from '../config/setting.js'
import { UsageError } from '../core/errors.js'
import { seriesFor } from './backup-target.js'
import type { CommandContext } from './context.js'
import { createContext } from './create-context.js'
import { CLOUD_URL } from './open-server.js'
import { targetDirectory } from './target.js'

/** A server or a data directory with its repository, as one profile of the configuration file names them. */
export interface Instance {
  /** The profile's name; without one, that of the series or the target. */
  readonly name: string
  readonly profile: string | null
  /** The URL of the server without credentials, or the path of the directory; null when none is named. */
  readonly target: string | null
  /** Null without a target. */
  readonly series: string | null
  readonly context: CommandContext
  /** Aborts what is done for this instance. */
  readonly stop: (reason: Error) => void
  /** Closes what was opened for this instance alone. */
  readonly close: () => Promise<void>
}

/** What the settings name, or with `all` what each profile names. Throws a {@link UsageError}. */
export async function openInstances(context: CommandContext, all: boolean): Promise<readonly Instance[]> {
  const { settings } = context
  if (!all) {
    const profile = settings.file?.profile ?? null
    return [instanceOf(context, profile)]
  }
  if (settings.file === null || settings.file.profiles.length === 0)
    throw new UsageError('there is no configuration file with profiles', {
      hint: 'name one with --config, or leave out --all-profiles',
    })
  for (const setting of OWN_TO_EACH) refuseForAll(context, setting)
  const { path, profiles } = settings.file
  const { cwd, uid } = context.host
  return Promise.all(
    profiles.map(async (profile) => {
      const file = await loadConfigFile({ path, profile, cwd, uid })
      return instanceOf({ ...context, settings: settings.withFile(file) }, profile)
    }),
  )
}

const OWN_TO_EACH: readonly Setting<unknown>[] = [
  catalogue.url,
  catalogue.dataPath,
  catalogue.cloud,
  catalogue.series,
]

/** Given once, it would make all profiles the same. */
function refuseForAll({ settings }: CommandContext, setting: Setting<unknown>): void {
  const source = settings.source(setting)
  if (source.from !== 'flag' && source.from !== 'environment') return
  throw new UsageError(`${sourceText(source)} and --all-profiles exclude each other`, {
    hint: 'each profile names its own',
  })
}

function instanceOf(context: CommandContext, profile: string | null): Instance {
  const target = targetOf(context)
  const series = target === null ? null : seriesFor(context, undefined, target)
  const name = profile ?? series ?? 'default'
  const controller = new AbortController()
  const closers: (() => Promise<void>)[] = []
  const own = createContext({
    ...context,
    signal: AbortSignal.any([context.signal, controller.signal]),
    onClose: (close) => {
      closers.push(close)
    },
  })
  const close = async () => {
    for (const each of closers.splice(0).reverse()) await each()
  }
  const stop = (reason: Error) => {
    controller.abort(reason)
  }
  return { name, profile, target, series, context: own, stop, close }
}

/** As the manifest of a backup names it; null: none is named. */
function targetOf(context: CommandContext): string | null {
  const directory = targetDirectory(context)
  if (directory !== null) return directory
  if (isCloud(context.settings)) return CLOUD_URL
  const url = context.settings.value(catalogue.url)
  return url === null ? null : parseServerUrl(url).displayUrl
}
