import { Command } from 'commander'

import type { Setting } from '../config/setting.js'
import type { Settings } from '../config/settings.js'
import { act, group } from './command.js'
import type { Launcher } from './context.js'

/** One setting as `config show` tells it. */
interface ShownSetting {
  /** The key in the configuration file, or what it would be. */
  readonly name: string
  /** Null: not set, and without a default of its own. */
  readonly value: string | boolean | readonly string[] | null
  readonly from: 'flag' | 'environment' | 'file' | 'default'
  /** The flag, the variable, or the file and its key. */
  readonly source: string
}

interface ShownConfig {
  readonly file: string | null
  readonly profile: string | null
  /** False: another user can write the file; it is then denied commands and credentials. */
  readonly trusted: boolean
  readonly settings: readonly ShownSetting[]
}

export function configCommand(launcher: Launcher): Command {
  const show = new Command('show').description('print every setting and where it comes from, secrets masked')
  act(show, launcher, async ({ settings, output }) => {
    const [{ allSettings }, { table }] = await Promise.all([
      import('../config/catalogue.js'),
      import('../output/table.js'),
    ])
    const shown: ShownConfig = {
      file: settings.file?.path ?? null,
      profile: settings.file?.profile ?? null,
      trusted: settings.file?.trusted ?? true,
      settings: await Promise.all(allSettings.map(([name, setting]) => showSetting(name, setting, settings))),
    }
    output.result(shown, ({ file, profile, trusted, settings: list }) => {
      const rows = list.map(({ name, value, source }) => [name, valueText(value), source])
      const where = file === null ? 'no configuration file' : `configuration file ${file}`
      const doubt = trusted ? '' : ' (another user can write it)'
      const chosen = profile === null ? '' : `, profile ${profile}`
      return `${where}${chosen}${doubt}\n\n${table(['setting', 'value', 'source'], rows)}`
    })
  })
  return group('config', 'show the settings', show)
}

async function showSetting(
  name: string,
  setting: Setting<unknown>,
  settings: Settings,
): Promise<ShownSetting> {
  const { sourceText } = await import('../config/setting.js')
  const source = settings.source(setting)
  const key = setting.key ?? name.replaceAll(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`)
  return { name: key, value: shownValue(setting, settings), from: source.from, source: sourceText(source) }
}

function shownValue(setting: Setting<unknown>, settings: Settings): ShownSetting['value'] {
  const texts = settings.texts(setting)
  if (setting.kind === 'switch') return settings.value(setting) === true
  if (setting.kind === 'list' || setting.kind === 'map') return texts ?? []
  const [text = setting.fallbackText] = texts ?? []
  if (text === null) return null
  return setting.secret ? '***' : withoutPassword(text)
}

/** `http://user:password@host` with the password masked. */
function withoutPassword(text: string): string {
  return text.replace(/^([a-z][a-z0-9+.-]*:\/\/[^/@:]*):[^/@]*@/i, '$1:***@')
}

function valueText(value: ShownSetting['value']): string {
  if (value === null) return '-'
  if (typeof value === 'object') return value.length === 0 ? '-' : value.join(', ')
  return String(value)
}
