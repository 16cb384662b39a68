import type { BlobServiceClient } from '@azure/storage-blob'

import { StoreUnsupportedError } from './blob-store.js'
import { loadSdk, SDK_VERSIONS } from './load-sdk.js'

export type AzureCredential = BlobServiceClient['credential']

/** Signs in with Microsoft Entra ID in the ways of DefaultAzureCredential: environment, workload and managed identity, Azure CLI. */
export async function azureIdentity(): Promise<AzureCredential> {
  // Not a dependency, not even for development: nothing here knows its types.
  const name = '@azure/identity'
  const module: unknown = await loadSdk(
    {
      name: '@azure/identity',
      what: 'Azure without a key (so with Microsoft Entra ID)',
      orElse: 'set AZURE_STORAGE_CONNECTION_STRING, AZURE_STORAGE_KEY or AZURE_STORAGE_SAS_TOKEN',
    },
    async (): Promise<unknown> => import(name),
  )
  const create: unknown = Reflect.get(Object(module), 'DefaultAzureCredential')
  const credential: unknown = typeof create === 'function' ? Reflect.construct(create, []) : undefined
  if (isCredential(credential)) return credential
  throw new StoreUnsupportedError('@azure/identity has no DefaultAzureCredential', {
    hint: `npm install '@azure/identity@${SDK_VERSIONS['@azure/identity']}'`,
  })
}

function isCredential(value: unknown): value is AzureCredential {
  return typeof value === 'object' && value !== null && 'getToken' in value
}
