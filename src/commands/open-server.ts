import { readFile } from 'node:fs/promises'

import { ChromaApi, cloudQuota } from '../chroma/api.js'
import { connectTransport } from '../chroma/connect.js'
import type { ServerOptions, TlsOptions } from '../chroma/transport.js'
import { catalogue } from '../config/catalogue.js'
import { isCloud } from '../config/cloud.js'
import { resolveHeaders } from '../config/credentials.js'
import { SettingError } from '../config/errors.js'
import { sourceText, type Setting } from '../config/setting.js'
import type { Settings } from '../config/settings.js'
import { serverUrlOf } from '../config/values.js'
import { asError, UsageError } from '../core/errors.js'
import type { ContextParts } from './create-context.js'
import { given, proxyOptions, retryChanges, retryText } from './network.js'

export const CLOUD_URL = 'https://api.trychroma.com'

/** First contact with the server that the settings name. */
export async function openServer(
  parts: ContextParts,
  url: string | undefined,
  pool: ServerOptions['pool'] = {},
): Promise<ChromaApi> {
  const options = await serverOptions(parts, url)
  const transport = await connectTransport({ ...options, pool: { ...pool, ...options.pool } })
  return new ChromaApi(transport, isCloudUrl(options.url) ? cloudQuota : {})
}

/** Whether this is Chroma Cloud, which has quotas. */
export function isCloudUrl(url: string): boolean {
  return new URL(url).hostname.endsWith('.trychroma.com')
}

/** The URL of the server; throws a UsageError when none is named. */
export function serverUrl(settings: Settings): string {
  if (isCloud(settings)) return CLOUD_URL
  const url = settings.value(catalogue.url)
  if (url === null) {
    throw new UsageError('no server is named', {
      hint: 'name one with --url http://127.0.0.1:8000, or --cloud',
    })
  }
  return url
}

/** `named`: a server other than that of the settings, with the same credentials. */
export async function serverOptions(
  { settings, host, signal, output }: ContextParts,
  named: string | undefined,
): Promise<ServerOptions> {
  const url = named === undefined ? serverUrl(settings) : serverUrlOf(named)
  const headers = await resolveHeaders({ settings, environment: host.environment, signal })
  for (const header of Object.values(headers)) output.hide(header.replace(/^Bearer /, ''))
  const { username, password } = new URL(url)
  if (password !== '') {
    const pair = `${decodeURIComponent(username)}:${decodeURIComponent(password)}`
    output.hide(decodeURIComponent(password))
    output.hide(Buffer.from(pair).toString('base64'))
  }
  return {
    url,
    headers,
    tls: await tlsOptions(settings),
    proxy: proxyOptions(host.environment),
    pool: given({
      min: settings.value(catalogue.poolMin),
      max: settings.value(catalogue.poolMax),
      acquireTimeoutMs: settings.value(catalogue.poolAcquireTimeout),
      idleTimeoutMs: settings.value(catalogue.poolIdleTimeout),
      healthCheckAfterMs: settings.value(catalogue.poolHealthCheckAfter),
    }),
    retry: retryChanges(settings),
    connectTimeoutMs: settings.value(catalogue.connectTimeout),
    requestTimeoutMs: settings.value(catalogue.requestTimeout),
    signal,
    onRetry: (event) => {
      output.note(retryText(event))
    },
  }
}

async function tlsOptions(settings: Settings): Promise<TlsOptions> {
  return {
    ca: await readPem(catalogue.caFile, settings),
    cert: await readPem(catalogue.certFile, settings),
    key: await readPem(catalogue.keyFile, settings),
    serverName: settings.value(catalogue.tlsServerName) ?? undefined,
  }
}

async function readPem(setting: Setting<string | null>, settings: Settings): Promise<string | undefined> {
  const file = settings.value(setting)
  if (file === null) return undefined
  try {
    return await readFile(file, 'utf8')
  } catch (error) {
    const name = sourceText(settings.source(setting))
    throw new SettingError(`${name}: ${asError(error).message}`, { cause: error })
  }
}
