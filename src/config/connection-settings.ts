import { value, valueOr } from './setting.js'
import { booleanOf, decimalNumber, durationOf, nonEmpty, wholeNumber } from './values.js'

/** How servers are talked to. What has no default here has one in the HTTP layer. */
export const connectionSettings = {
  connectTimeout: valueOr('10s', durationOf, {
    flags: '--connect-timeout <duration>',
    environment: 'CHROMA_OPS_CONNECT_TIMEOUT',
    key: 'connect_timeout',
    description: 'for a connection to be made (default: 10s)',
  }),
  requestTimeout: valueOr('5m', durationOf, {
    flags: '--request-timeout <duration>',
    environment: 'CHROMA_OPS_REQUEST_TIMEOUT',
    key: 'request_timeout',
    description: 'for one answer (default: 5m)',
  }),
  concurrency: valueOr('4', wholeNumber(1, 64), {
    flags: '--concurrency <n>',
    environment: 'CHROMA_OPS_CONCURRENCY',
    key: 'concurrency',
    description: 'requests under way at once (default: 4)',
  }),
  caFile: value(nonEmpty, {
    flags: '--ca-file <file>',
    environment: 'CHROMA_OPS_CA_FILE',
    key: 'ca_file',
    path: true,
    description: "certificates that sign the server's (PEM)",
  }),
  certFile: value(nonEmpty, {
    flags: '--cert-file <file>',
    environment: 'CHROMA_OPS_CERT_FILE',
    key: 'cert_file',
    path: true,
    description: 'our own certificate (PEM)',
  }),
  keyFile: value(nonEmpty, {
    flags: '--key-file <file>',
    environment: 'CHROMA_OPS_KEY_FILE',
    key: 'key_file',
    path: true,
    description: 'the key of --cert-file (PEM)',
  }),
  tlsServerName: value(nonEmpty, {
    flags: '--tls-server-name <name>',
    environment: 'CHROMA_OPS_TLS_SERVER_NAME',
    key: 'tls_server_name',
    description: "the name in the server's certificate, if it is not that of the URL",
  }),
  poolMin: value(wholeNumber(0, 1000), {
    flags: '--pool-min <n>',
    environment: 'CHROMA_OPS_POOL_MIN',
    key: 'pool.min',
    description: 'connections kept open (default: 2)',
  }),
  poolMax: value(wholeNumber(1, 1000), {
    flags: '--pool-max <n>',
    environment: 'CHROMA_OPS_POOL_MAX',
    key: 'pool.max',
    description: 'connections at most (default: 10)',
  }),
  poolAcquireTimeout: value(durationOf, {
    flags: '--pool-acquire-timeout <duration>',
    environment: 'CHROMA_OPS_POOL_ACQUIRE_TIMEOUT',
    key: 'pool.acquire_timeout',
    description: 'for a connection to become free (default: 30s)',
  }),
  poolIdleTimeout: value(durationOf, {
    flags: '--pool-idle-timeout <duration>',
    environment: 'CHROMA_OPS_POOL_IDLE_TIMEOUT',
    key: 'pool.idle_timeout',
    description: 'after which an idle connection is closed (default: 5m)',
  }),
  poolHealthCheckAfter: value(durationOf, {
    flags: '--pool-health-check-after <duration>',
    environment: 'CHROMA_OPS_POOL_HEALTH_CHECK_AFTER',
    key: 'pool.health_check_after',
    description: 'after which an idle connection must prove itself (default: 60s)',
  }),
  maxRetries: value(wholeNumber(0, 1000), {
    flags: '--max-retries <n>',
    environment: 'CHROMA_OPS_MAX_RETRIES',
    key: 'retry.max_retries',
    description: 'repetitions of a failed request (default: 3; in transfers until 15 min without progress)',
  }),
  retryBaseDelay: value(durationOf, {
    flags: '--retry-base-delay <duration>',
    environment: 'CHROMA_OPS_RETRY_BASE_DELAY',
    key: 'retry.base_delay',
    description: 'before the first repetition (default: 1s)',
  }),
  retryMaxDelay: value(durationOf, {
    flags: '--retry-max-delay <duration>',
    environment: 'CHROMA_OPS_RETRY_MAX_DELAY',
    key: 'retry.max_delay',
    description: 'the longest pause (default: 60s)',
  }),
  retryFactor: value(decimalNumber(1), {
    flags: '--retry-factor <n>',
    environment: 'CHROMA_OPS_RETRY_FACTOR',
    key: 'retry.factor',
    description: 'by which pauses grow (default: 2)',
  }),
  retryJitter: value(booleanOf, {
    flags: '--retry-jitter <boolean>',
    environment: 'CHROMA_OPS_RETRY_JITTER',
    key: 'retry.jitter',
    description: 'pauses of a random length (default: true)',
  }),
}
