import { asError } from '../core/errors.js'

/** What an error of the SDK tells, whichever of its classes it is. */
export interface AzureFailure {
  /** Azure's code, such as `BlobNotFound`, or that of the network. */
  readonly code: string
  /** Of the answer; undefined when there was none. */
  readonly status: number | undefined
  /** One line, without signatures. */
  readonly message: string
  /** Why a request was not believed; empty when Azure does not tell. */
  readonly detail: string
  readonly retryAfter: string | undefined
}

export function readAzureFailure(thrown: unknown): AzureFailure {
  const details = field(thrown, 'details')
  const response = field(thrown, 'response')
  const code = text(details, 'errorCode') ?? text(thrown, 'code') ?? ''
  const [, detail = ''] = /<AuthenticationErrorDetail>([^<]*)</.exec(text(response, 'bodyAsText') ?? '') ?? []
  const [line = ''] = asError(thrown).message.split('\n', 1)
  const status = field(thrown, 'statusCode')
  return {
    code,
    status: typeof status === 'number' ? status : undefined,
    message: withoutSignature(line) || code || 'no reason given',
    detail: withoutSignature(detail),
    retryAfter: text(details, 'retry-after'),
  }
}

/** The error without the request that the SDK hangs on it, whose URL and headers hold signatures. */
export function plainCause(thrown: unknown): Error {
  const { name, message } = asError(thrown)
  const plain = new Error(withoutSignature(message))
  plain.name = name
  const code = text(thrown, 'code')
  return code === undefined ? plain : Object.assign(plain, { code })
}

function withoutSignature(message: string): string {
  return message.replace(/\b(sig|signature)=[^&\s"']+/gi, '$1=***')
}

function field(value: unknown, name: string): unknown {
  return typeof value === 'object' && value !== null ? Reflect.get(value, name) : undefined
}

function text(value: unknown, name: string): string | undefined {
  const found = field(value, name)
  return typeof found === 'string' && found !== '' ? found : undefined
}
