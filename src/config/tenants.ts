import { readFile } from 'node:fs/promises'

import { asError } from '../core/errors.js'
import { catalogue } from './catalogue.js'
import { SettingError } from './errors.js'
import { sourceText } from './setting.js'
import type { Settings } from './settings.js'

/** The tenants of `--tenant` and `--tenants-file`, each once; empty when none is named. */
export async function resolveTenants(settings: Settings): Promise<readonly string[]> {
  const named = settings.value(catalogue.tenant)
  const file = settings.value(catalogue.tenantsFile)
  return [...new Set([...named, ...(file === null ? [] : await readTenants(file, settings))])]
}

/** One name on each line; empty lines and those that start with # don't count. */
async function readTenants(file: string, settings: Settings): Promise<string[]> {
  const name = sourceText(settings.source(catalogue.tenantsFile))
  let text: string
  try {
    text = await readFile(file, 'utf8')
  } catch (error) {
    throw new SettingError(`${name}: ${asError(error).message}`, { cause: error })
  }
  const lines = text.split('\n').map((line) => line.trim())
  const tenants = lines.filter((line) => line !== '' && !line.startsWith('#'))
  if (tenants.length === 0) throw new SettingError(`${name}: no tenant in ${file}`)
  return tenants
}
