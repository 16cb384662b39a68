import { Readable } from 'node:stream'

import type * as S3 from '@aws-sdk/client-s3'

import { StoreError, StoreUnreachableError } from './blob-store.js'
import { assertBlobSize } from './keys.js'

export const NOT_S3 = 'check the endpoint: is there an S3 service behind it?'

/** The whole content of an answer; a cut or an oversized one rejects. */
export async function readBody(
  key: string,
  { Body, ContentLength }: S3.GetObjectCommandOutput,
): Promise<Uint8Array> {
  if (Body === undefined) throw new StoreError(`no content came with ${key}`, { hint: NOT_S3 })
  try {
    assertBlobSize(key, ContentLength ?? 0)
  } catch (error) {
    if ('destroy' in Body) Body.destroy()
    throw error
  }
  const bytes = await collect(Body, ContentLength)
  if (ContentLength !== undefined && bytes.length !== ContentLength)
    throw new StoreUnreachableError(`only ${bytes.length} of ${ContentLength} bytes of ${key} arrived`)
  return bytes
}

/** The SDK's own way copies everything once more, at a third more of processor time for 8 MiB. */
async function collect(body: NonNullable<S3.GetObjectCommandOutput['Body']>, length: number | undefined) {
  if (length === undefined || !(body instanceof Readable)) return body.transformToByteArray()
  const bytes = Buffer.allocUnsafeSlow(length)
  let filled = 0
  for await (const chunk of body) if (Buffer.isBuffer(chunk)) filled += chunk.copy(bytes, filled)
  return bytes.subarray(0, filled)
}
