import { toggle, value } from './setting.js'
import { nonEmpty, rateOf, serverUrlOf } from './values.js'

/** How stores are reached, and how fast. Credentials of AWS and Google are found by their SDKs. */
export const storeSettings = {
  limitUpload: value(rateOf, {
    flags: '--limit-upload <rate>',
    environment: 'CHROMA_OPS_LIMIT_UPLOAD',
    key: 'limit.upload',
    description: 'bytes that go to the store each second, such as 10MiB (default: no limit)',
  }),
  limitDownload: value(rateOf, {
    flags: '--limit-download <rate>',
    environment: 'CHROMA_OPS_LIMIT_DOWNLOAD',
    key: 'limit.download',
    description: 'bytes that come from the store each second (default: no limit)',
  }),
  azureAccount: value(nonEmpty, {
    environment: ['CHROMA_OPS_AZURE_ACCOUNT', 'AZURE_STORAGE_ACCOUNT'],
    key: 'azure.account',
    description: 'the storage account of azblob://container',
  }),
  azureEndpointUrl: value(serverUrlOf, {
    environment: 'CHROMA_OPS_AZURE_ENDPOINT_URL',
    key: 'azure.endpoint_url',
    description: 'of Azure Blob Storage (default: https://<account>.blob.core.windows.net)',
  }),
  azureConnectionString: value(nonEmpty, {
    environment: 'AZURE_STORAGE_CONNECTION_STRING',
    secret: true,
    description: 'account and key of Azure in one',
  }),
  azureKey: value(nonEmpty, {
    environment: 'AZURE_STORAGE_KEY',
    secret: true,
    description: 'the key of the storage account',
  }),
  azureSasToken: value(nonEmpty, {
    environment: 'AZURE_STORAGE_SAS_TOKEN',
    secret: true,
    description: 'a shared access signature for the container',
  }),
  gcsEndpointUrl: value(serverUrlOf, {
    environment: 'CHROMA_OPS_GCS_ENDPOINT_URL',
    key: 'gcs.endpoint_url',
    description: 'of Google Cloud Storage (default: https://storage.googleapis.com)',
  }),
  gcsKeyFile: value(nonEmpty, {
    environment: 'CHROMA_OPS_GCS_KEY_FILE',
    key: 'gcs.key_file',
    path: true,
    description: 'the key file of a service account (default: application default credentials)',
  }),
  gcsAnonymous: toggle({
    environment: 'CHROMA_OPS_GCS_ANONYMOUS',
    key: 'gcs.anonymous',
    description: 'no credentials (default: on an own endpoint without a key file)',
  }),
}
