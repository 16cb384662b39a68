import { proxyFor } from '../chroma/proxy.js'
import { catalogue } from '../config/catalogue.js'
import { assertTrustedAddress } from '../config/secrets.js'
import type { Setting } from '../config/setting.js'
import type { Settings } from '../config/settings.js'
import { UsageError } from '../core/errors.js'
import type { Output } from '../output/output.js'
import type { BlobStore } from '../storage/blob-store.js'
import type { StoreTraffic } from '../storage/metered-store.js'
import { openStore, type StoreOptions } from '../storage/open-store.js'
import type { ContextParts } from './create-context.js'
import { proxyOptions, retryChanges, retryText, storeTrafficText } from './network.js'

/** The store of `--repo`, or another one of the same settings; contacts no service yet. */
export async function openRepositoryStore(parts: ContextParts, url?: string): Promise<BlobStore> {
  const { settings, host, signal, output } = parts
  const repo = url ?? settings.value(catalogue.repo)
  if (repo === null) {
    throw new UsageError('no repository is named', {
      hint: 'name one with --repo ./backups or --repo s3://bucket/prefix',
    })
  }
  const proxies = proxyOptions(host.environment)
  const limits = {
    connectTimeoutMs: settings.value(catalogue.connectTimeout),
    idleTimeoutMs: settings.value(catalogue.requestTimeout),
    // A connection for each transfer, and some for what goes on beside them.
    maxSockets: Math.max(16, settings.value(catalogue.concurrency) + 4),
  }
  return openStore(repo, {
    s3: {
      ...limits,
      endpointUrl: settings.value(catalogue.endpointUrl) ?? undefined,
      region: settings.value(catalogue.region) ?? undefined,
      forcePathStyle: settings.value(catalogue.forcePathStyle) ?? undefined,
    },
    ...(/^azblob:/i.test(repo) && { azure: { ...limits, ...azureOptions(settings, output) } }),
    ...(/^gs:/i.test(repo) && { gcs: { ...limits, ...gcsOptions(settings) } }),
    proxy: (endpoint) => proxyFor(endpoint, proxies),
    retry: {
      firstContact: retryChanges(settings),
      batch: retryChanges(settings),
      onRetry: (event) => {
        output.note(retryText(event))
      },
    },
    limitUpload: settings.value(catalogue.limitUpload) ?? undefined,
    limitDownload: settings.value(catalogue.limitDownload) ?? undefined,
    ...(/^(s3|azblob|gs):/i.test(repo) && { onTraffic: trafficProgress(parts) }),
    signal,
  })
}

function azureOptions(settings: Settings, output: Output): StoreOptions['azure'] {
  const secrets = [catalogue.azureConnectionString, catalogue.azureKey, catalogue.azureSasToken] as const
  const [connectionString, accountKey, sasToken] = secrets.map(
    (setting) => settings.value(setting) ?? undefined,
  )
  for (const secret of [connectionString, accountKey, sasToken]) if (secret !== undefined) output.hide(secret)
  return {
    endpointUrl: ownEndpoint(catalogue.azureEndpointUrl, settings),
    account: settings.value(catalogue.azureAccount) ?? undefined,
    connectionString,
    accountKey,
    sasToken,
  }
}

function gcsOptions(settings: Settings): StoreOptions['gcs'] {
  return {
    endpointUrl: ownEndpoint(catalogue.gcsEndpointUrl, settings),
    keyFile: settings.value(catalogue.gcsKeyFile) ?? undefined,
    anonymous: settings.value(catalogue.gcsAnonymous) ? true : undefined,
  }
}

/** `--endpoint-url` and its own variable hold for every store; those of AWS and `s3.endpoint_url` do not. */
function ownEndpoint(setting: Setting<string | null>, settings: Settings): string | undefined {
  const source = settings.source(catalogue.endpointUrl)
  const isForAll =
    source.from === 'flag' || (source.from === 'environment' && source.name === 'CHROMA_OPS_ENDPOINT_URL')
  if (isForAll) return settings.value(catalogue.endpointUrl) ?? undefined
  assertTrustedAddress(setting, settings)
  return settings.value(setting) ?? undefined
}

/** A line for each direction, and with `--verbose` the sums at the end. */
function trafficProgress({ output, onClose }: ContextParts): (traffic: StoreTraffic) => void {
  let last: StoreTraffic = { uploadedBytes: 0, downloadedBytes: 0 }
  const report = (state?: 'done') => {
    const { uploadedBytes, downloadedBytes } = last
    const common = { unit: 'bytes', ...(state && { state }) } as const
    if (uploadedBytes > 0)
      output.update({ ...common, task: 'to the store', phase: 'write', done: uploadedBytes })
    if (downloadedBytes > 0)
      output.update({ ...common, task: 'from the store', phase: 'read', done: downloadedBytes })
  }
  onClose(async () => {
    report('done')
    output.detail(storeTrafficText(last))
  })
  return (traffic) => {
    last = traffic
    report()
  }
}
