import path from 'node:path'

import { UsageError } from '../core/errors.js'
import { catalogue } from './catalogue.js'
import { isCloud } from './cloud.js'
import { SecretError } from './errors.js'
import { readSecret, refuseUntrusted, runForSecret, strongest, untrusted } from './secrets.js'
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
  const chosen = strongest(candidates, settings, 'a token')
  if (chosen === undefined) return undefined
  const text = settings.value(chosen) ?? ''
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
