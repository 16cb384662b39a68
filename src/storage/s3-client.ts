import type { Agent as HttpAgent } from 'node:http'
import type { Agent as HttpsAgent } from 'node:https'

import type * as S3 from '@aws-sdk/client-s3'

import { asError, UsageError } from '../core/errors.js'

export interface S3Options {
  /** Of a service other than AWS: `http://127.0.0.1:9000`. */
  readonly endpointUrl?: string | undefined
  /** Default: what the SDK finds in the environment and in `~/.aws`; on an own endpoint else `us-east-1`. */
  readonly region?: string | undefined
  /** The bucket in the path instead of the host name. Default: on an own endpoint. */
  readonly forcePathStyle?: boolean | undefined
  /** Default: the SDK's own chain: environment, `~/.aws`, web identity, container and instance roles. */
  readonly credentials?: S3Credentials | undefined
  /** Connections at most; default 16. */
  readonly maxSockets?: number | undefined
  /** Milliseconds; default 10 s. */
  readonly connectTimeoutMs?: number | undefined
  /** Milliseconds without a byte in either direction; default 60 s. */
  readonly idleTimeoutMs?: number | undefined
}

export interface S3Credentials {
  readonly accessKeyId: string
  readonly secretAccessKey: string
  readonly sessionToken?: string
}

/** For connections through a proxy; null: the direct way. */
export interface S3Agents {
  readonly http: HttpAgent | null
  readonly https: HttpsAgent | null
}

export interface S3Connection {
  readonly sdk: typeof S3
  readonly client: S3.S3Client
  readonly region: string
  readonly isOwnEndpoint: boolean
}

/** Loads the SDK; contacts nobody. Rejects with {@link UsageError} when no region is configured. */
export async function connectS3(options: S3Options, agents: S3Agents): Promise<S3Connection> {
  const sdk = await import('@aws-sdk/client-s3')
  const isOwnEndpoint = options.endpointUrl !== undefined
  const create = (region: string | undefined) => new sdk.S3Client(clientConfig(options, agents, region))
  let client = create(options.region)
  try {
    return { sdk, client, region: await client.config.region(), isOwnEndpoint }
  } catch (error) {
    client.destroy()
    if (!isOwnEndpoint)
      throw new UsageError(`no region for S3: ${asError(error).message}`, {
        hint: 'set AWS_REGION to the region of the bucket',
        cause: error,
      })
  }
  const region = 'us-east-1'
  client = create(region)
  return { sdk, client, region, isOwnEndpoint }
}

function clientConfig(options: S3Options, agents: S3Agents, region: string | undefined): S3.S3ClientConfig {
  const { endpointUrl, credentials, maxSockets = 16 } = options
  return {
    // Repetitions are ours: the SDK's would hide lost answers from conditional writes.
    maxAttempts: 1,
    // It opens a new connection for every large write.
    expectContinueHeader: false,
    forcePathStyle: options.forcePathStyle ?? endpointUrl !== undefined,
    requestHandler: {
      connectionTimeout: options.connectTimeoutMs ?? 10_000,
      socketTimeout: options.idleTimeoutMs ?? 60_000,
      httpAgent: agents.http ?? { keepAlive: true, maxSockets },
      httpsAgent: agents.https ?? { keepAlive: true, maxSockets },
    },
    ...(region === undefined ? {} : { region }),
    ...(credentials === undefined ? {} : { credentials }),
    ...(endpointUrl === undefined
      ? {}
      : {
          endpoint: endpointUrl,
          // Several services refuse or mangle what AWS alone understands by default.
          requestChecksumCalculation: 'WHEN_REQUIRED',
          responseChecksumValidation: 'WHEN_REQUIRED',
        }),
  }
}
