import { closest } from '../core/suggest.js'
import { allSettings } from './catalogue.js'
import type { Environment } from './settings.js'

/** Variables that are read beside those of the settings. */
export const CONFIG_VARIABLE = 'CHROMA_OPS_CONFIG'
export const PROFILE_VARIABLE = 'CHROMA_OPS_PROFILE'

/** Every variable that is a setting. */
export const knownVariables: readonly string[] = [
  CONFIG_VARIABLE,
  PROFILE_VARIABLE,
  ...allSettings.flatMap(([, { environment }]) => environment),
]

/** What Kubernetes sets for a service called chroma-ops. */
const INJECTED = /^CHROMA_OPS_(SERVICE_|PORT(_|$))/

/** Variables that look like a setting and are none, with the one that was perhaps meant. */
export function misspeltVariables(environment: Environment): { name: string; meant: string }[] {
  return Object.keys(environment).flatMap((name) => {
    if (!name.startsWith('CHROMA_OPS_') || knownVariables.includes(name) || INJECTED.test(name)) return []
    const own = name.slice('CHROMA_OPS_'.length)
    const meant = closest(
      own,
      knownVariables.map((known) => known.replace(/^CHROMA_OPS_/, '')),
    )
    return meant === undefined
      ? []
      : [{ name, meant: knownVariables.find((known) => known.endsWith(meant)) ?? meant }]
  })
}

/** The value of a variable; null when it is not set or empty. */
export function variable(environment: Environment, name: string): string | null {
  const text = environment[name]
  return text === undefined || text === '' ? null : text
}
