import * as v from 'valibot'

import { StoreUnreachableError } from './blob-store.js'
import { NOT_GCS } from './gcs-errors.js'
import type { GcsAnswer } from './gcs-request.js'

/** An object resource, as far as it is used: cloud.google.com/storage/docs/json_api/v1/objects. */
const gcsObject = v.object({
  name: v.string(),
  /** Decimal digits. */
  size: v.string(),
  updated: v.string(),
  generation: v.string(),
})

const listing = v.object({
  items: v.optional(v.array(gcsObject), []),
  nextPageToken: v.optional(v.string()),
})

export type GcsObject = v.InferOutput<typeof gcsObject>

export const OBJECT_FIELDS = 'name,size,updated,generation'

/** Throws {@link StoreUnreachableError} for what is no object resource: a cut answer, or another service. */
export function objectIn(answer: GcsAnswer): GcsObject {
  return read(gcsObject, answer)
}

export function listingIn(answer: GcsAnswer): v.InferOutput<typeof listing> {
  return read(listing, answer)
}

function read<T extends v.GenericSchema>(schema: T, { body }: GcsAnswer): v.InferOutput<T> {
  const result = v.safeParse(schema, parse(body.toString()))
  if (result.success) return result.output
  throw new StoreUnreachableError('the answer is not from Google Cloud Storage', { hint: NOT_GCS })
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
