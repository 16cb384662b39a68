import { execFile } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import { promisify } from 'node:util'

import { asError, throwIfAborted, UsageError } from '../core/errors.js'
import { ConfigFileError, SecretError } from './errors.js'
import { sourceText, strength, type Setting } from './setting.js'
import type { Environment, Settings } from './settings.js'

/** The setting that is given, by the strongest source; undefined when none is. `what` they all give: `a token`. */
export function strongest(
  candidates: readonly Setting<string | null>[],
  settings: Settings,
  what: string,
): Setting<string | null> | undefined {
  const given = candidates.filter((setting) => settings.value(setting) !== null)
  const most = Math.max(0, ...given.map((setting) => strength(settings.source(setting))))
  const [chosen, second] = given.filter((setting) => strength(settings.source(setting)) === most)
  if (chosen === undefined || second === undefined) return chosen
  const names = [chosen, second].map((setting) => sourceText(settings.source(setting)))
  throw new UsageError(`${names.join(' and ')} both give ${what}`, { hint: 'keep one of them' })
}

/** The one line of a file. */
export async function readSecret(file: string, name: string): Promise<string> {
  return oneLine(await readSecretText(file, name), name)
}

/** All of a file. */
export async function readSecretText(file: string, name: string): Promise<string> {
  try {
    return await readFile(file, 'utf8')
  } catch (error) {
    throw new SecretError(`${name}: ${asError(error).message}`, { cause: error })
  }
}

/** The one line that a command prints. */
export async function runForSecret(
  command: string,
  name: string,
  { environment, signal }: { readonly environment: Environment; readonly signal: AbortSignal },
): Promise<string> {
  try {
    const { stdout } = await promisify(execFile)('/bin/sh', ['-c', command], {
      env: { ...environment },
      timeout: 30_000,
      signal,
    })
    return oneLine(stdout, name)
  } catch (error) {
    throwIfAborted(signal)
    if (error instanceof SecretError) throw error
    throw new SecretError(`${name}: the command failed: ${failureText(error)}`)
  }
}

function oneLine(text: string, name: string): string {
  const secret = text.trim()
  if (secret === '') throw new SecretError(`${name}: there is nothing in it`)
  if (/[\r\n\0]/.test(secret)) throw new SecretError(`${name}: more than one line`)
  return secret
}

/** What the command said on stderr; never its stdout, which may hold the secret. */
function failureText(error: unknown): string {
  const stderr = typeof error === 'object' && error !== null && 'stderr' in error ? String(error.stderr) : ''
  const [first = ''] = stderr.trim().split('\n', 1)
  return first === '' ? 'it ended without a message' : first
}

/** Whoever chooses where a bearer token goes has it. Throws {@link ConfigFileError}. */
export function assertTrustedAddress(setting: Setting<unknown>, settings: Settings): void {
  const source = settings.source(setting)
  if (source.from === 'file' && !source.trusted)
    throw untrusted(source.path, 'choose where credentials are sent')
}

/** The name of the setting's source, if that may name secrets. */
export function refuseUntrusted(setting: Setting<unknown>, settings: Settings): string {
  const source = settings.source(setting)
  if (source.from === 'file' && !source.trusted) throw untrusted(source.path, `set ${source.key}`)
  return sourceText(source)
}

export function untrusted(file: string, what: string): ConfigFileError {
  return new ConfigFileError(`${file} must not ${what}: another user can write it`, {
    hint: `own the file and take the right to write from others: chmod o-w ${file}`,
  })
}
