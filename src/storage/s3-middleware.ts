import type * as S3 from '@aws-sdk/client-s3'

/** Gives the signer the SHA-256 of the body that is already known; it would compute it again. */
export function signBodyAs(command: S3.PutObjectCommand, sha256: string): void {
  command.middlewareStack.add(
    (next) => async (args) => {
      const headers = headersOf(args.request)
      if (headers !== null) headers['x-amz-content-sha256'] = sha256
      return next(args)
    },
    { step: 'build' },
  )
}

/** Calls back with the headers of the answer, in lower case; the SDK does not hand them out. */
export function onResponse(
  command: S3.ListObjectsV2Command,
  read: (headers: Readonly<Record<string, unknown>>) => void,
): void {
  command.middlewareStack.add(
    (next) => async (args) => {
      const result = await next(args)
      read(headersOf(result.response) ?? {})
      return result
    },
    { step: 'deserialize' },
  )
}

function headersOf(message: unknown): Record<string, unknown> | null {
  if (typeof message !== 'object' || message === null || !('headers' in message)) return null
  return isRecord(message.headers) ? message.headers : null
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null
}
