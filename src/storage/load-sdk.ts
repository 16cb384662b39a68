import { errnoOf } from '../core/errors.js'
import { StoreUnsupportedError } from './blob-store.js'

/** The optional packages and the versions that chroma-ops is tested with, as in package.json. */
export const SDK_VERSIONS = {
  '@azure/storage-blob': '~12.32.0',
  '@azure/identity': '4.13.1',
  '@google-cloud/storage': '^7.22.0',
} as const

export interface SdkNeed {
  readonly name: keyof typeof SDK_VERSIONS
  /** What cannot be done without it: `a store at gs://`. */
  readonly what: string
  /** Another way than to install it. */
  readonly orElse?: string
}

/** Rejects with {@link StoreUnsupportedError} that tells how to install the package when it is not there. */
export async function loadSdk<T>({ name, what, orElse }: SdkNeed, load: () => Promise<T>): Promise<T> {
  try {
    return await load()
  } catch (error) {
    if (!isMissing(error)) throw error
    const version = SDK_VERSIONS[name]
    const install = `npm install '${name}@${version}' (with -g where chroma-ops is installed with -g)`
    throw new StoreUnsupportedError(`${what} needs the package ${name} ${version}, which is not installed`, {
      hint: orElse === undefined ? install : `${install}, or ${orElse}`,
      cause: error,
    })
  }
}

function isMissing(error: unknown): boolean {
  return errnoOf(error) === 'ERR_MODULE_NOT_FOUND' || errnoOf(error) === 'MODULE_NOT_FOUND'
}
