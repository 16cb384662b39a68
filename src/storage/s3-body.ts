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
  const bytes = await Body.transformToByteArray()
  if (ContentLength !== undefined && bytes.length !== ContentLength)
    throw new StoreUnreachableError(`only ${bytes.length} of ${ContentLength} bytes of ${key} arrived`)
  return bytes
}
