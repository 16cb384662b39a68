import type { ProxyOptions, TransportStats } from '../chroma/transport.js'
import { catalogue } from '../config/catalogue.js'
import type { Environment, Settings } from '../config/settings.js'
import type { RetryEvent } from '../core/retry.js'
import type { RetryPolicy } from '../core/retry-policy.js'
import { duration, grouped, plural, shortBytes } from '../output/format.js'
import type { StoreTraffic } from '../storage/metered-store.js'

/** As curl reads them; upper case HTTP_PROXY does not count where a web server may have set it. */
export function proxyOptions(environment: Environment): ProxyOptions {
  const plainProxy = environment['REQUEST_METHOD'] === undefined ? environment['HTTP_PROXY'] : undefined
  return {
    httpsProxy: environment['HTTPS_PROXY'] ?? environment['https_proxy'],
    httpProxy: plainProxy ?? environment['http_proxy'],
    noProxy: environment['NO_PROXY'] ?? environment['no_proxy'],
  }
}

/** Changes to the retry policies: only what was set on purpose. */
export function retryChanges(settings: Settings): Partial<RetryPolicy> {
  const jitter = settings.value(catalogue.retryJitter)
  return {
    ...given({
      maxRetries: settings.value(catalogue.maxRetries),
      baseDelayMs: settings.value(catalogue.retryBaseDelay),
      maxDelayMs: settings.value(catalogue.retryMaxDelay),
      factor: settings.value(catalogue.retryFactor),
    }),
    ...(jitter !== null && { jitter }),
  }
}

/** Only what was set, so that the defaults stay where they belong. */
export function given<T>(values: Readonly<Record<string, T | null>>): Record<string, T> {
  const entries = Object.entries(values).flatMap(([name, value]): [string, T][] =>
    value === null ? [] : [[name, value]],
  )
  return Object.fromEntries(entries)
}

/** Tells a person why nothing seems to happen. */
export function retryText({ describe, attempt, delayMs, error }: RetryEvent): string {
  return `${describe}: attempt ${attempt} failed (${error.message}); again in ${duration(delayMs)}`
}

/** `store: 31.2 MiB sent, 1.2 MiB received`. */
export function storeTrafficText({ uploadedBytes, downloadedBytes }: StoreTraffic): string {
  return `store: ${shortBytes(uploadedBytes)} sent, ${shortBytes(downloadedBytes)} received`
}

/** `120 requests, 2 repeated, 3 connections made (1 recycled), 31.2 MiB received, 1.2 MiB sent`. */
export function trafficText({ retry, pool, receivedBytes, sentBytes }: TransportStats): string {
  const connections = `${plural(pool.created, 'connection')} made (${grouped(pool.recycled)} recycled)`
  const moved = `${shortBytes(receivedBytes)} received, ${shortBytes(sentBytes)} sent`
  return `${plural(retry.calls, 'request')}, ${grouped(retry.retries)} repeated, ${connections}, ${moved}`
}
