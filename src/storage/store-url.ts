import path from 'node:path'
import { fileURLToPath } from 'node:url'

import { UsageError } from '../core/errors.js'
import { isKey } from './keys.js'

export type StoreLocation =
  | { readonly type: 'local'; readonly path: string }
  | { readonly type: 'memory'; readonly name: string }
  | { readonly type: 's3' | 'gcs'; readonly bucket: string; readonly prefix: string }
  | {
      readonly type: 'azure'
      /** `account.blob.core.windows.net`; null: the account is set elsewhere. */
      readonly host: string | null
      readonly container: string
      readonly prefix: string
    }

const FORMS =
  'write a path, file:///path, s3://bucket/prefix, azblob://container/prefix or gs://bucket/prefix'
/** What an URL begins with; a Windows drive is one letter. */
const SCHEME = /^([A-Za-z][A-Za-z0-9+.-]+):\/\//

/**
 * Where a store is: a path, `file:///path`, `s3://bucket/prefix`, `azblob://container/prefix`,
 * `azblob://account.blob.core.windows.net/container/prefix`, `gs://bucket/prefix` or `memory://name`. Throws
 * {@link UsageError} for what is none of these.
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
      return {
        type: 's3',
        ...bucketLocation(text, 'set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE'),
      }
    case 'gs':
      return { type: 'gcs', ...bucketLocation(text, 'set GOOGLE_APPLICATION_CREDENTIALS') }
    case 'azblob':
      return azureLocation(text)
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

function bucketLocation(text: string, credentials: string): { bucket: string; prefix: string } {
  const [first = '', ...folders] = parts(text, credentials)
  if (!BUCKET.test(first))
    throw new UsageError(`not the name of a bucket: ${JSON.stringify(first)}`, {
      hint: `${text.slice(0, text.indexOf(':'))}://bucket/prefix`,
    })
  return { bucket: first, prefix: prefixOf(folders) }
}

/** Lower case letters, digits and single hyphens, 3 to 63; and those that Azure makes itself. */
const CONTAINER = /^(?=.{3,63}$)([a-z0-9]+(-[a-z0-9]+)*|\$root|\$web)$/

/** A container's name has no dot, a host's has. */
function azureLocation(text: string): StoreLocation {
  const all = parts(text, 'set AZURE_STORAGE_CONNECTION_STRING, AZURE_STORAGE_KEY or AZURE_STORAGE_SAS_TOKEN')
  const [first = ''] = all
  const host = /^[a-z0-9]{3,24}(\.[a-z0-9-]+)+$/.test(first) ? first : null
  const [container = '', ...folders] = host === null ? all : all.slice(1)
  if (!CONTAINER.test(container))
    throw new UsageError(`not the name of a container: ${JSON.stringify(container)}`, {
      hint: 'azblob://container/prefix or azblob://account.blob.core.windows.net/container/prefix',
    })
  return { type: 'azure', host, container, prefix: prefixOf(folders) }
}

/** What stands between the slashes behind the scheme. */
function parts(text: string, credentials: string): string[] {
  const all = text.slice(text.indexOf('://') + 3).split('/')
  // A SAS token is a query.
  if (all[0]?.includes('@') === true || text.includes('?'))
    throw new UsageError('the address of a store holds no credentials', { hint: credentials })
  return all
}

function prefixOf(folders: readonly string[]): string {
  const prefix = folders.join('/').replace(/\/+$/, '')
  if (prefix !== '' && !isKey(prefix))
    throw new UsageError(`not a prefix for a store: ${JSON.stringify(prefix)}`, {
      hint: 'use letters, digits, ".", "_", "-" and single slashes',
    })
  return prefix
}
