import { UsageError } from '../core/errors.js'
import { catalogue } from './catalogue.js'
import { sourceText, strength } from './setting.js'
import type { Settings } from './settings.js'

/** Whether the target is Chroma Cloud: `--cloud` was given, and nothing stronger names a URL. */
export function isCloud(settings: Settings): boolean {
  const { cloud, url } = catalogue
  if (!settings.value(cloud)) return false
  const difference = strength(settings.source(cloud)) - strength(settings.source(url))
  if (difference === 0) {
    const names = [cloud, url].map((setting) => sourceText(settings.source(setting)))
    throw new UsageError(`${names.join(' and ')} exclude each other`)
  }
  return difference > 0
}
