import { catalogue } from './catalogue.js'
import type { Setting } from './setting.js'

/** Which of two servers: the one that is read, or the one that is written. */
export type ServerSide = 'from' | 'to'

/** Settings that each of two servers has for itself: `--from-url`, `CHROMA_OPS_TO_TOKEN`. */
export const sideSettings: readonly Setting<unknown>[] = [
  catalogue.url,
  catalogue.cloud,
  catalogue.tenant,
  catalogue.database,
  catalogue.tokenFile,
  catalogue.tokenCommand,
  catalogue.token,
  catalogue.apiKey,
  catalogue.tokenHeader,
  catalogue.header,
  catalogue.caFile,
  catalogue.certFile,
  catalogue.keyFile,
  catalogue.tlsServerName,
]

/** Settings that say which server, and mean nothing where there are two. */
export const ambiguousSettings: readonly Setting<unknown>[] = [
  ...sideSettings,
  catalogue.dataPath,
  catalogue.fallbackPath,
  catalogue.tenantsFile,
]

/** `--from-url <url>` of `--url <url>`. */
export function sideFlags(side: ServerSide, flags: string): string {
  return flags.replace(/^--/, `--${side}-`)
}

/** The variables of a setting for one side. A key for Chroma Cloud goes nowhere else, and so holds for both. */
export function sideVariables(side: ServerSide, setting: Setting<unknown>): readonly string[] {
  if (setting === catalogue.apiKey)
    return [`CHROMA_OPS_${side.toUpperCase()}_API_KEY`, ...setting.environment]
  return setting.environment.flatMap((name) =>
    name.startsWith(PREFIX) ? [`${PREFIX}${side.toUpperCase()}_${name.slice(PREFIX.length)}`] : [],
  )
}

const PREFIX = 'CHROMA_OPS_'
