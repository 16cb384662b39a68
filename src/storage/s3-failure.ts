import { asError } from '../core/errors.js'

/** What an error of the SDK tells, whichever of its classes it is. */
export interface S3Failure {
  /** S3's code, such as `NoSuchKey`, or the name of an error of the SDK. */
  readonly code: string
  /** Of the answer; undefined when there was none. */
  readonly status: number | undefined
  readonly message: string
  /** Where the bucket really is. */
  readonly region: string | undefined
  readonly retryAfter: string | undefined
  /** The SDK has learnt the store's clock from this answer: the next request will be signed by it. */
  readonly clockSkewCorrected: boolean
}

export function readS3Failure(thrown: unknown): S3Failure {
  const metadata = field(thrown, '$metadata')
  const response = field(thrown, '$response')
  const headers = field(response, 'headers')
  const status = number(metadata, 'httpStatusCode') ?? number(response, 'statusCode')
  const code = text(thrown, 'Code') ?? text(thrown, 'name') ?? ''
  return {
    code,
    status,
    message: readable(asError(thrown).message) || code || 'no reason given',
    region: text(thrown, 'Region') ?? text(headers, 'x-amz-bucket-region'),
    retryAfter: text(headers, 'retry-after'),
    clockSkewCorrected: field(metadata, 'clockSkewCorrected') === true,
  }
}

/** The SDK's own text for it speaks of tags and hidden fields. */
function readable(message: string): string {
  return message.includes('Deserialization error') ? 'the answer is not from an S3 service' : message
}

function field(value: unknown, name: string): unknown {
  return typeof value === 'object' && value !== null ? Reflect.get(value, name) : undefined
}

function text(value: unknown, name: string): string | undefined {
  const found = field(value, name)
  return typeof found === 'string' && found !== '' ? found : undefined
}

function number(value: unknown, name: string): number | undefined {
  const found = field(value, name)
  return typeof found === 'number' ? found : undefined
}
