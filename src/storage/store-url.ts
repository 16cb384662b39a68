import path from 'node:path'
import { fileURLToPath } from 'node:url'

import { UsageError } from '../core/errors.js'
import { StoreUnsupportedError } from './blob-store.js'
import { isKey } from './keys.js'

export type StoreLocation =
  | { readonly type: 'local'; readonly path: string }
  | { readonly type: 'memory'; readonly name: string }
  | { readonly type: 's3'; readonly bucket: string; readonly prefix: string }

const FORMS = 'write a path, file:///path or s3://bucket/prefix'
/** What an URL begins with; a Windows drive is one letter. */
const SCHEME = /^([A-Za-z][A-Za-z0-9+.-]+):\/\//

/**
 * Where a store is: a path, `file:///path`, `s3://bucket/prefix` or `memory://name`. Throws
 * {@link UsageError} for what is none of these, {@link StoreUnsupportedError} for services still to come.
 */
export function parseStoreUrl(text: string): StoreLocation {
  const scheme = SCHEME.exec(text)?.[1]?.toLowerCase()
  switch (scheme) {
    case undefined:
      return localPath(text)
    case 'file':
      return { type: 'local', path: filePath(text) }
    case 'memory':
      return { type: 'memory', name: text.slice('memory://'.length) }
    case 's3':
      return s3Location(text)
    case 'azblob':
    case 'gs':
      throw new StoreUnsupportedError(`stores at ${scheme}:// are not in this version`, { hint: FORMS })
    default:
      throw new UsageError(`no store can be at ${scheme}://`, { hint: FORMS })
  }
}

function localPath(text: string): StoreLocation {
  if (text.trim() === '') throw new UsageError('the address of a store is empty', { hint: FORMS })
  // `s3:bucket`, `file:dir`: meant as addresses, but they would quietly become folders of these names.
  if (/^(file|s3|memory|azblob|gs):/i.test(text))
    throw new UsageError(`not the address of a store: ${text}`, { hint: FORMS })
  if (text.includes('\0')) throw new UsageError('a path has no NUL character', { hint: FORMS })
  return { type: 'local', path: path.resolve(text) }
}

function filePath(text: string): string {
  try {
    const url = new URL(text)
    if (url.search === '' && url.hash === '') return fileURLToPath(url)
  } catch (error) {
    throw new UsageError(`not the URL of a folder: ${text}`, { hint: 'write file:///path', cause: error })
  }
  throw new UsageError(`the URL of a folder has no ? and no #: ${text}`, { hint: 'write %3F and %23' })
}

/** The rules of AWS, with the capitals and underscores of old buckets. */
const BUCKET = /^[A-Za-z0-9][A-Za-z0-9._-]{1,253}[A-Za-z0-9]$/

function s3Location(text: string): StoreLocation {
  const [bucket = '', ...folders] = text.slice('s3://'.length).split('/')
  if (bucket.includes('@'))
    throw new UsageError('the address of a store holds no credentials', {
      hint: 'set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE',
    })
  if (!BUCKET.test(bucket))
    throw new UsageError(`not the name of a bucket: ${JSON.stringify(bucket)}`, {
      hint: 's3://bucket/prefix',
    })
  const prefix = folders.join('/').replace(/\/+$/, '')
  if (prefix !== '' && !isKey(prefix))
    throw new UsageError(`not a prefix for a store: ${JSON.stringify(prefix)}`, {
      hint: 'use letters, digits, ".", "_", "-" and single slashes',
    })
  return { type: 's3', bucket, prefix }
}
