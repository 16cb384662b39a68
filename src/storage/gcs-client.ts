import type { Storage } from '@google-cloud/storage'

import { loadSdk } from './load-sdk.js'
import { type ConnectionLimits, timedAgents, type TimedAgents } from './timed-agents.js'
import type { ProxyChoice } from './tunnel-agent.js'

export interface GcsOptions extends ConnectionLimits {
  /** In place of `https://storage.googleapis.com`. */
  readonly endpointUrl?: string | undefined
  /** Of a service account or of workload identity; default: application default credentials. */
  readonly keyFile?: string | undefined
  /** Default: on an own endpoint without a key file. */
  readonly anonymous?: boolean | undefined
}

export interface GcsConnection {
  readonly endpoint: URL
  readonly agents: TimedAgents
  /** Gives the headers that say who asks. Fails in the SDK's own ways. */
  readonly authorize: () => Promise<Readonly<Record<string, string>>>
}

const ENDPOINT = 'https://storage.googleapis.com'

/** Loads the SDK for the credentials; contacts nobody. */
export async function connectGcs(options: GcsOptions = {}, proxy?: ProxyChoice): Promise<GcsConnection> {
  const { endpointUrl, keyFile } = options
  const isAnonymous = options.anonymous ?? (endpointUrl !== undefined && keyFile === undefined)
  const authorize = isAnonymous ? async () => ({}) : await authorizer(keyFile)
  return { endpoint: new URL(endpointUrl ?? ENDPOINT), agents: timedAgents(options, proxy), authorize }
}

async function authorizer(keyFile: string | undefined): Promise<GcsConnection['authorize']> {
  const sdk = await loadSdk(
    { name: '@google-cloud/storage', what: 'a store at gs:// with credentials' },
    () => import('@google-cloud/storage'),
  )
  // Without a project the SDK would ask around for one that is not needed here.
  const storage: Storage = new sdk.Storage({
    projectId: 'unused',
    ...(keyFile === undefined ? {} : { keyFilename: keyFile }),
  })
  return () => storage.authClient.getRequestHeaders()
}
