import type * as Azure from '@azure/storage-blob'

import { UsageError } from '../core/errors.js'
import { azureIdentity } from './azure-identity.js'
import { loadSdk } from './load-sdk.js'
import { type ConnectionLimits, timedAgents } from './timed-agents.js'
import type { ProxyChoice } from './tunnel-agent.js'

/** The first credentials that are given count: connection string, key, SAS token; else Microsoft Entra ID. */
export interface AzureOptions extends ConnectionLimits {
  /** In place of `https://<account>.blob.core.windows.net`; an emulator's ends with the account. */
  readonly endpointUrl?: string | undefined
  /** Where the address of the store does not name the account. */
  readonly account?: string | undefined
  readonly connectionString?: string | undefined
  readonly accountKey?: string | undefined
  /** With or without the `?` in front. */
  readonly sasToken?: string | undefined
}

export interface AzureLocation {
  /** `account.blob.core.windows.net`; null: the account is set elsewhere. */
  readonly host: string | null
  readonly container: string
  /** Without a slash at either end; may be empty. */
  readonly prefix: string
}

export interface AzureConnection {
  readonly container: Azure.ContainerClient
  close(): void
}

/** Loads the SDK; contacts nobody. Rejects with {@link UsageError} when the account is not named. */
export async function connectAzure(
  options: AzureOptions,
  location: AzureLocation,
  proxy?: ProxyChoice,
): Promise<AzureConnection> {
  const sdk = await loadSdk(
    { name: '@azure/storage-blob', what: 'a store at azblob://' },
    () => import('@azure/storage-blob'),
  )
  const agents = timedAgents(options, proxy)
  const pipeline = (isSecure: boolean) => ({
    // Repetitions are ours: the SDK's would hide lost answers from conditional writes.
    retryOptions: { maxTries: 1 },
    agent: isSecure ? agents.https : agents.http,
  })
  try {
    const service = await openService({ sdk, options, location, pipeline })
    return { container: service.getContainerClient(location.container), close: () => agents.destroy() }
  } catch (error) {
    agents.destroy()
    throw error
  }
}

interface ServiceJob {
  readonly sdk: typeof Azure
  readonly options: AzureOptions
  readonly location: AzureLocation
  readonly pipeline: (isSecure: boolean) => Azure.StoragePipelineOptions
}

async function openService({
  sdk,
  options,
  location,
  pipeline,
}: ServiceJob): Promise<Azure.BlobServiceClient> {
  const { connectionString, accountKey, sasToken } = options
  if (connectionString !== undefined)
    return fromConnectionString(connectionString, { sdk, options, location, pipeline })
  const { url, account } = endpointOf(options, location)
  const settings = pipeline(url.startsWith('https:'))
  if (accountKey !== undefined)
    return new sdk.BlobServiceClient(url, new sdk.StorageSharedKeyCredential(account, accountKey), settings)
  if (sasToken !== undefined) {
    const signed = `${url}?${sasToken.replace(/^\?/, '')}`
    return new sdk.BlobServiceClient(signed, new sdk.AnonymousCredential(), settings)
  }
  return new sdk.BlobServiceClient(url, await azureIdentity(), settings)
}

function fromConnectionString(
  connectionString: string,
  { sdk, options, location, pipeline }: ServiceJob,
): Azure.BlobServiceClient {
  const isPlain = /DefaultEndpointsProtocol=http(;|$)|BlobEndpoint=http:|UseDevelopmentStorage=true/i
  let service: Azure.BlobServiceClient
  try {
    service = sdk.BlobServiceClient.fromConnectionString(
      connectionString,
      pipeline(!isPlain.test(connectionString)),
    )
  } catch {
    // The SDK's text may repeat a part of the string, so it is no cause either.
    throw new UsageError('the connection string for Azure cannot be read', {
      hint: 'copy it again from "Access keys" of the storage account: AccountName=…;AccountKey=…;EndpointSuffix=…',
    })
  }
  const wanted = location.host?.split('.', 1)[0] ?? options.account
  if (wanted !== undefined && service.accountName !== '' && wanted !== service.accountName)
    throw new UsageError(
      `the connection string is for the account ${service.accountName}, the store for ${wanted}`,
      { hint: 'set the connection string of that account, or correct the address' },
    )
  return service
}

function endpointOf(
  { endpointUrl, account }: AzureOptions,
  { host }: AzureLocation,
): { url: string; account: string } {
  if (endpointUrl !== undefined) {
    const named = account ?? host?.split('.', 1)[0] ?? accountIn(endpointUrl)
    return { url: endpointUrl.replace(/\/+$/, ''), account: named }
  }
  const address = host ?? (account === undefined ? null : `${account}.blob.core.windows.net`)
  if (address === null)
    throw new UsageError('the storage account is not named', {
      hint: 'set AZURE_STORAGE_ACCOUNT, or write azblob://<account>.blob.core.windows.net/container/prefix',
    })
  return { url: `https://${address}`, account: address.split('.', 1)[0] ?? '' }
}

/** The last part of an emulator's address, else the first of the host's name. */
function accountIn(endpointUrl: string): string {
  const { pathname, hostname } = new URL(endpointUrl)
  const last = pathname
    .split('/')
    .filter((part) => part !== '')
    .at(-1)
  return last ?? hostname.split('.', 1)[0] ?? ''
}
