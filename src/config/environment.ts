import { closest } from '../core/suggest.js'
import { allSettings } from './catalogue.js'
import { sideSettings, sideVariables } from './server-side.js'
import type { Environment } from './settings.js'

/** Variables that are read beside those of the settings. */
export const CONFIG_VARIABLE = 'CHROMA_OPS_CONFIG'
export const PROFILE_VARIABLE = 'CHROMA_OPS_PROFILE'

/** Every variable that is a setting. */
export const knownVariables: readonly string[] = [
  CONFIG_VARIABLE,
  PROFILE_VARIABLE,
  ...allSettings.flatMap(([, { environment }]) => environment),
  ...sideSettings.flatMap((setting) => [...sideVariables('from', setting), ...sideVariables('to', setting)]),
]

/** What Kubernetes sets for a service called chroma-ops. */
const INJECTED = /^CHROMA_OPS_(SERVICE_|PORT(_|$))/

/** Variables that look like a setting and are none, with the one that was perhaps meant. */
export function misspeltVariables(environment: Environment): { name: string; meant: string }[] {
  const own = new Map(knownVariables.map((known) => [withoutPrefix(known), known]))
  return Object.keys(environment).flatMap((name) => {
    if (!name.startsWith(PREFIX) || knownVariables.includes(name) || INJECTED.test(name)) return []
    const meant = own.get(closest(withoutPrefix(name), [...own.keys()]) ?? '')
    return meant === undefined ? [] : [{ name, meant }]
  })
}

const PREFIX = 'CHROMA_OPS_'

function withoutPrefix(name: string): string {
  return name.startsWith(PREFIX) ? name.slice(PREFIX.length) : name
}

/** The value of a variable; null when it is not set or empty. */
export function variable(environment: Environment, name: string): string | null {
  const text = environment[name]
  return text === undefined || text === '' ? null : text
}
