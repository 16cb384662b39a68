import { execFile } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import path from 'node:path'
import { promisify } from 'node:util'

import { asError, throwIfAborted, UsageError } from '../core/errors.js'
import { catalogue } from './catalogue.js'
import { isCloud } from './cloud.js'
import { ConfigFileError, SecretError } from './errors.js'
import { sourceText, strength, type Setting } from './setting.js'
import type { Environment, Settings } from './settings.js'

export interface CredentialsJob {
  readonly settings: Settings
  readonly environment: Environment
  readonly signal: AbortSignal
}

/** Headers for the server: the token's and those of `--header`. Values are secret. */
export async function resolveHeaders(job: CredentialsJob): Promise<Record<string, string>> {
  const { settings } = job
  const headers: Record<string, string> = {}
  const token = await resolveToken(job)
  if (token !== undefined) {
    const name =
      settings.value(catalogue.tokenHeader) ?? (isCloud(settings) ? 'x-chroma-token' : 'authorization')
    headers[name.toLowerCase()] = name.toLowerCase() === 'authorization' ? `Bearer ${token}` : token
  }
  for (const text of settings.value(catalogue.header)) {
    const { name, reference } = parseHeader(text)
    headers[name.toLowerCase()] = await resolveReference(reference, job)
  }
  const address = settings.source(isCloud(settings) ? catalogue.cloud : catalogue.url)
  if (Object.keys(headers).length > 0 && address.from === 'file' && !address.trusted) {
    throw untrusted(address.path, 'choose where credentials are sent')
  }
  return headers
}

async function resolveToken(job: CredentialsJob): Promise<string | undefined> {
  const { settings } = job
  const { tokenFile, tokenCommand, token, apiKey } = catalogue
  // A key for the cloud must not go to any other address.
  const candidates = [tokenFile, tokenCommand, token, ...(isCloud(settings) ? [apiKey] : [])]
  const given = candidates.filter((setting) => settings.value(setting) !== null)
  const strongest = Math.max(0, ...given.map((setting) => strength(settings.source(setting))))
  const [chosen, second] = given.filter((setting) => strength(settings.source(setting)) === strongest)
  if (chosen === undefined) return undefined
  const text = settings.value(chosen) ?? ''
  if (second !== undefined) {
    const names = [chosen, second].map((setting) => sourceText(settings.source(setting)))
    throw new UsageError(`${names.join(' and ')} both give a token`, { hint: 'keep one of them' })
  }
  if (chosen === tokenFile) return readSecret(text, refuseUntrusted(tokenFile, settings))
  if (chosen === tokenCommand) return runForSecret(text, refuseUntrusted(tokenCommand, settings), job)
  return text
}

const HEADER = /^([!#$%&'*+.^_`|~\w-]+):\s*(env|file):(.+)$/

function parseHeader(text: string): { name: string; reference: { kind: string; target: string } } {
  const [, name, kind, target] = HEADER.exec(text.trim()) ?? []
  if (name === undefined || kind === undefined || target === undefined) {
    // The text is not repeated: it may be a secret that was written down by mistake.
    throw new UsageError("--header is not of the form 'name: env:VARIABLE' or 'name: file:PATH'", {
      hint: 'put the value into an environment variable or a file, so that it does not show in process lists',
    })
  }
  return { name, reference: { kind, target: target.trim() } }
}

async function resolveReference(
  { kind, target }: { kind: string; target: string },
  { settings, environment }: CredentialsJob,
): Promise<string> {
  const name = refuseUntrusted(catalogue.header, settings)
  const source = settings.source(catalogue.header)
  if (kind === 'file') {
    return readSecret(source.from === 'file' ? path.resolve(path.dirname(source.path), target) : target, name)
  }
  const value = environment[target]
  if (value === undefined || value === '') {
    throw new SecretError(`${name}: the environment variable ${target} is not set`)
  }
  return value
}

async function readSecret(file: string, name: string): Promise<string> {
  try {
    return oneLine(await readFile(file, 'utf8'), name)
  } catch (error) {
    if (error instanceof SecretError) throw error
    throw new SecretError(`${name}: ${asError(error).message}`, { cause: error })
  }
}

async function runForSecret(
  command: string,
  name: string,
  { environment, signal }: CredentialsJob,
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

/** The name of the setting's source, if that may name secrets. */
function refuseUntrusted(setting: Setting<unknown>, settings: Settings): string {
  const source = settings.source(setting)
  if (source.from === 'file' && !source.trusted) throw untrusted(source.path, `set ${source.key}`)
  return sourceText(source)
}

function untrusted(file: string, what: string): ConfigFileError {
  return new ConfigFileError(`${file} must not ${what}: another user can write it`, {
    hint: `own the file and take the right to write from others: chmod o-w ${file}`,
  })
}
