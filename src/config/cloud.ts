import { UsageError } from '../core/errors.js'
import { catalogue } from './catalogue.js'
import { strength } from './setting.js'
import type { Settings } from './settings.js'

/** Whether the target is Chroma Cloud: `--cloud` was given, and nothing stronger names a URL. */
export function isCloud(settings: Settings): boolean {
  const { cloud, url } = catalogue
  if (!settings.value(cloud)) return false
  const difference = strength(settings.source(cloud)) - strength(settings.source(url))
  if (difference === 0) throw new UsageError('--cloud and --url exclude each other')
  return difference > 0
}
