import { proxyFor } from '../chroma/proxy.js'
import { catalogue } from '../config/catalogue.js'
import { UsageError } from '../core/errors.js'
import type { BlobStore } from '../storage/blob-store.js'
import { openStore } from '../storage/open-store.js'
import type { ContextParts } from './create-context.js'
import { proxyOptions, retryChanges, retryText } from './network.js'

/** The store of `--repo`; contacts no service yet. */
export async function openRepositoryStore({
  settings,
  host,
  signal,
  output,
}: ContextParts): Promise<BlobStore> {
  const repo = settings.value(catalogue.repo)
  if (repo === null) {
    throw new UsageError('no repository is named', {
      hint: 'name one with --repo ./backups or --repo s3://bucket/prefix',
    })
  }
  const proxies = proxyOptions(host.environment)
  return openStore(repo, {
    s3: {
      endpointUrl: settings.value(catalogue.endpointUrl) ?? undefined,
      region: settings.value(catalogue.region) ?? undefined,
      forcePathStyle: settings.value(catalogue.forcePathStyle) ?? undefined,
      connectTimeoutMs: settings.value(catalogue.connectTimeout),
      idleTimeoutMs: settings.value(catalogue.requestTimeout),
    },
    proxy: (endpoint) => proxyFor(endpoint, proxies),
    retry: {
      firstContact: retryChanges(settings),
      batch: retryChanges(settings),
      onRetry: (event) => {
        output.note(retryText(event))
      },
    },
    signal,
  })
}
