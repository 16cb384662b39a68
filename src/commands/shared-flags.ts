import { Option, type Command } from 'commander'

import { connectionSettings } from '../config/connection-settings.js'
import { repositorySettings } from '../config/repository-settings.js'
import { runSettings } from '../config/run-settings.js'
import type { Setting } from '../config/setting.js'
import { flagName } from '../config/settings.js'
import { storeSettings } from '../config/store-settings.js'
import { targetSettings } from '../config/target-settings.js'

const groups = [
  ['Target:', targetSettings],
  ['Repository:', repositorySettings],
  ['Store:', storeSettings],
  ['Connection:', connectionSettings],
  ['Run:', runSettings],
] as const

/** Flags that every command takes before or after its name. */
export function addSharedFlags(root: Command): void {
  root.addOption(new Option('--json', 'one JSON document on stdout: the result or the error'))
  root.addOption(
    new Option('--config <file>', 'the configuration file (default: ./chroma-ops.config.{json,yaml})'),
  )
  root.addOption(new Option('--profile <name>', 'a profile of the configuration file'))
  for (const [title, settings] of groups) {
    for (const { flags, description, kind } of Object.values<Setting<unknown>>(settings)) {
      if (flags === null) continue
      const option = new Option(flags, description).helpGroup(title)
      root.addOption(kind === 'list' || kind === 'map' ? option.argParser(collect) : option)
    }
  }
}

/** What was written on the command line, by long flag: what `Settings` reads. */
export function flagTexts(command: Command): Map<string, readonly string[]> {
  const root = rootOf(command)
  const texts = new Map<string, readonly string[]>()
  for (const option of root.options) {
    const attribute = option.attributeName()
    if (root.getOptionValueSource(attribute) !== 'cli') continue
    const given: unknown = root.getOptionValue(attribute)
    const name = flagName(option.flags)
    // `--no-color` is false when it was given.
    if (typeof given === 'boolean') texts.set(name, ['true'])
    else texts.set(name, Array.isArray(given) ? given.map(String) : [String(given)])
  }
  return texts
}

/** Gathers the values of a flag that can be repeated. */
export function collect(text: string, earlier: readonly string[] | undefined): string[] {
  return [...(earlier ?? []), text]
}

function rootOf(command: Command): Command {
  return command.parent === null ? command : rootOf(command.parent)
}
