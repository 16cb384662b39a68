import { catalogue } from '../config/catalogue.js'
import { isCloud } from '../config/cloud.js'
import type { Setting } from '../config/setting.js'
import { flagName, type Settings } from '../config/settings.js'
import { OpsError } from '../core/errors.js'
import type { ExitCode } from '../core/exit-code.js'
import { shellWord } from '../core/shell-word.js'

/** A failure whose hint names commands as they can be pasted into a shell. */
class CompletedError extends OpsError {
  override readonly code: string
  override readonly exitCode: ExitCode

  constructor(error: OpsError, hint: string) {
    super(error.message, { hint, cause: error.cause })
    this.code = error.code
    this.exitCode = error.exitCode
  }
}

/**
 * The library knows no flags, so its hints say `"chroma-ops backup verify ID"`. Here they get the repository
 * and the server of the command that was run.
 */
export function withCompleteHint(error: OpsError, settings: Settings, text = error.hint): OpsError {
  if (text === undefined) return error
  const hint = completeCommands(text, settings)
  return hint === error.hint ? error : new CompletedError(error, hint)
}

/** Commands in quotes get the flags that they need; everything else stays. */
export function completeCommands(text: string, settings: Settings): string {
  return text.replaceAll(
    /"(chroma-ops [^"]+)"/g,
    (_, command: string) => `"${completeCommand(command, settings)}"`,
  )
}

/** One command with the flags that it needs; a placeholder for the repository gives way to the one in use. */
export function completeCommand(command: string, settings: Settings): string {
  const known = settings.value(catalogue.repo) !== null
  const begun = known ? command.replace(' --repo REPOSITORY', '') : command
  const words = begun.split(' ').slice(1).join(' ')
  const flags = [
    ...(NEEDS_REPOSITORY.test(words) ? repositoryWords(settings) : []),
    ...(NEEDS_SERVER.test(words) ? targetWords(settings) : []),
    ...(NEEDS_DATABASE.test(words) ? given(settings, [catalogue.tenant, catalogue.database]) : []),
  ]
  // What the command names itself is not named twice.
  const missing = flags.filter(([flag = '']) => !begun.split(' ').includes(flag))
  if (missing.length === 0) return begun
  return [begun, ...[...missing, ...fileWords(settings)].flat().map(shellWord)].join(' ')
}

const NEEDS_REPOSITORY = /^((backup|restore|repo|erase|rescue)\b|migrate (plan|up|down|redo|resume)\b)/
const NEEDS_DATABASE =
  /^migrate (status|plan|up|down|redo|resume|abort|complete|repair|baseline|history|unlock)\b/
const NEEDS_SERVER = new RegExp(`^(backup( create)?( --.*)?$|restore\\b|health\\b)|${NEEDS_DATABASE.source}`)

/** Words of the same flags for another command: repeated as they were given, or from wherever they come. */
function repositoryWords(settings: Settings): string[][] {
  const repo = settings.value(catalogue.repo)
  if (repo === null) return []
  return [['--repo', repo], ...given(settings, REPOSITORY_FLAGS)]
}

function targetWords(settings: Settings): string[][] {
  if (isCloud(settings)) return [['--cloud'], ...given(settings, SERVER_FLAGS)]
  const [url, directory] = [settings.value(catalogue.url), settings.value(catalogue.dataPath)]
  if (url !== null) return [['--url', withoutPassword(url)], ...given(settings, SERVER_FLAGS)]
  return directory === null ? [] : [['--path', directory]]
}

export function fileWords(settings: Settings): string[][] {
  const { configFlag, profileFlag } = settings.fileFlags
  return [
    ...(configFlag === undefined ? [] : [['--config', configFlag]]),
    ...(profileFlag === undefined ? [] : [['--profile', profileFlag]]),
  ]
}

export const REPOSITORY_FLAGS: readonly Setting<unknown>[] = [
  catalogue.endpointUrl,
  catalogue.region,
  catalogue.passphraseFile,
  catalogue.passphraseCommand,
  catalogue.repoKeyFile,
]

/** Credentials are named by these, and never contained in them. */
export const SERVER_FLAGS: readonly Setting<unknown>[] = [
  catalogue.tokenFile,
  catalogue.tokenCommand,
  catalogue.tokenHeader,
  catalogue.header,
  catalogue.caFile,
  catalogue.certFile,
  catalogue.keyFile,
  catalogue.tlsServerName,
]

/** Those settings that were given as flags; environment and files will be there for the next command too. */
export function given(settings: Settings, wanted: readonly Setting<unknown>[]): string[][] {
  return wanted.flatMap((setting) => {
    const { flags } = setting
    if (flags === null || settings.source(setting).from !== 'flag') return []
    return (settings.texts(setting) ?? []).map((text) => [flagName(flags), text])
  })
}

function withoutPassword(text: string): string {
  const url = new URL(text)
  url.username = ''
  url.password = ''
  return url.href === `${text}/` ? text : url.href
}
