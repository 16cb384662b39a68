import { AbortedError, OpsError } from '../core/errors.js'
import { type AzureFailure, plainCause, readAzureFailure } from './azure-failure.js'
import { StoreAccessError, StoreError, StoreNotFoundError, StoreUnreachableError } from './blob-store.js'
import { httpError } from './http-error.js'
import { networkError } from './network-error.js'

export interface AzureContext {
  /** What was tried, for the message: `write objects/…`. */
  readonly action: string
  readonly displayUrl: string
  readonly container: string
  readonly signal: AbortSignal | undefined
}

export const NOT_AZURE = 'check the endpoint: is Azure Blob Storage behind it?'

/**
 * What a failed call of the SDK means. Conditions and absent blobs are for the caller to judge: see
 * {@link readAzureFailure}. Codes: learn.microsoft.com/rest/api/storageservices/blob-service-error-codes.
 */
export function azureError(thrown: unknown, context: AzureContext): Error {
  if (thrown instanceof OpsError) return thrown
  if (context.signal?.aborted) return new AbortedError(context.signal.reason)
  const failure = readAzureFailure(thrown)
  const cause = plainCause(thrown)
  const message = `cannot ${context.action} in ${context.displayUrl}: ${describe(failure)}`
  if (failure.status === undefined)
    return signInError(message, cause) ?? noAnswerError(failure, message, cause, thrown)
  return (
    accessError(failure, message, cause, context) ??
    answerError(failure, message, cause, context) ??
    httpError({
      ...failure,
      status: failure.status,
      message,
      cause,
      garbled: GARBLED.includes(failure.code) || /MD5 (doesn't|does not) match/i.test(failure.message),
    })
  )
}

const GARBLED = ['Md5Mismatch', 'Crc64Mismatch', 'IncompleteBody', 'InvalidMd5']
const SIGN_IN = /^(CredentialUnavailable|Authentication|AggregateAuthentication|AuthenticationRequired)Error$/

/** Of @azure/identity. */
function signInError(message: string, cause: Error): StoreError | null {
  if (!SIGN_IN.test(cause.name)) return null
  return new StoreAccessError(message, {
    cause,
    hint: 'sign in (az login), give this machine an identity, or set AZURE_STORAGE_CONNECTION_STRING',
  })
}

function noAnswerError({ code }: AzureFailure, message: string, cause: Error, thrown: unknown): StoreError {
  // The body ended before its length was reached, or was cut in the middle of a document.
  const isCut = code === 'PARSE_ERROR' || cause.message.includes('less data than required')
  if (isCut) return new StoreUnreachableError(message, { cause, hint: NOT_AZURE })
  return networkError({ thrown, message, cause }) ?? new StoreError(message, { cause })
}

function accessError(
  { status, code, detail, message: reason }: AzureFailure,
  message: string,
  cause: Error,
  context: AzureContext,
): StoreError | null {
  if (code === 'BlobImmutableDueToPolicy' || code === 'LeaseIdMissing')
    return new StoreAccessError(message, {
      cause,
      hint: 'the blob is protected by an immutability policy, a legal hold or a lease of the container',
    })
  if (status !== 401 && status !== 403) return null
  return new StoreAccessError(message, { cause, hint: accessHint(code, `${reason} ${detail}`, context) })
}

function accessHint(code: string, reason: string, context: AzureContext): string {
  if (/not valid in the specified time frame|expired/i.test(reason))
    return "renew the SAS token: it has expired or is not valid yet; or this machine's clock is wrong"
  if (/date header|too old/i.test(reason)) return "set this machine's clock: it differs from the store's"
  if (code === 'AuthenticationFailed' || code === 'InvalidAuthenticationInfo')
    return 'check the account key, the SAS token or the sign-in, and that they belong to this account'
  if (code === 'AccountIsDisabled') return 'the storage account is disabled'
  if (code === 'KeyBasedAuthenticationNotPermitted')
    return 'this account takes no keys: install @azure/identity and sign in with Microsoft Entra ID'
  if (code === 'AuthorizationFailure')
    return `check the key and the firewall of the account, and allow ${permissionFor(context)}`
  return `allow ${permissionFor(context)} to these credentials`
}

function permissionFor({ container, action }: AzureContext): string {
  const [verb = ''] = action.split(' ')
  const [right, letter] = RIGHTS[verb] ?? ['read', 'r']
  return `Microsoft.Storage/…/blobs/${right} on container ${container} (in a SAS token: ${letter})`
}

const RIGHTS: Readonly<Record<string, readonly [right: string, letter: string]>> = {
  write: ['write', 'c and w'],
  delete: ['delete', 'd'],
  list: ['read', 'l'],
  ask: ['read', 'l'],
}

function answerError(
  { status, code }: AzureFailure,
  message: string,
  cause: Error,
  { container }: AzureContext,
): StoreError | null {
  if (code === 'ContainerNotFound' || code === 'ContainerBeingDeleted')
    return new StoreNotFoundError(message, {
      cause,
      hint: `create container ${container}, or correct its name and the account`,
    })
  if (code === 'BlobArchived' || code === 'BlobBeingRehydrated')
    return new StoreError(message, {
      cause,
      hint: 'bring the blob back from the archive tier: az storage blob set-tier --tier Hot',
    })
  // Another write was under way: ours has not happened.
  if (status === 409) return new StoreUnreachableError(message, { cause, unprocessed: true })
  if (status !== undefined && status < 300)
    return new StoreUnreachableError(message, { cause, hint: NOT_AZURE })
  return null
}

function describe({ code, status, message }: AzureFailure): string {
  const facts = [code === message ? '' : code, status === undefined ? '' : `HTTP ${status}`].filter(
    (fact) => fact !== '',
  )
  return facts.length === 0 ? message : `${message} (${facts.join(', ')})`
}
