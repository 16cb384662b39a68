import { IntegrityError } from '../../core/errors.js'
import { BlobNotFoundError, type BlobStore } from '../../storage/blob-store.js'
import { sha256Hex } from '../object-reference.js'
import { SUMS } from './archive-entries.js'

const HINT = 'make the archive again, or take another copy of it'

/**
 * Compares an archive with its own list of checksums: every file is listed and every listed file is there; the small
 * ones have the right bytes, and an object the name that its checksum gives it. (The bytes of objects are checked when
 * they are read.) Rejects with an {@link IntegrityError} (13).
 */
export async function checkSums(
  store: BlobStore,
  names: readonly string[],
  where: string,
  signal: AbortSignal | undefined,
): Promise<void> {
  const sums = parseSums(await readSums(store, where, signal), where)
  for (const name of names) {
    if (name === SUMS) continue
    const sum = sums.get(name)
    if (sum === undefined)
      throw new IntegrityError(`${where}: ${name} is not listed in ${SUMS}`, { hint: HINT })
    sums.delete(name)
    const isRight = name.startsWith('objects/')
      ? name.endsWith(`.${sum}`)
      : sum === sha256Hex((await store.get(name, { signal })).bytes)
    if (!isRight) throw new IntegrityError(`${where}: ${name} does not match ${SUMS}`, { hint: HINT })
  }
  const [missing] = sums.keys()
  if (missing !== undefined)
    throw new IntegrityError(`${where}: ${missing}, which ${SUMS} lists, is missing`, { hint: HINT })
}

async function readSums(store: BlobStore, where: string, signal: AbortSignal | undefined): Promise<string> {
  try {
    return Buffer.from((await store.get(SUMS, { signal })).bytes).toString('utf8')
  } catch (error) {
    if (!(error instanceof BlobNotFoundError)) throw error
    throw new IntegrityError(`${where} is cut off: ${SUMS}, its last file, is missing`, { hint: HINT })
  }
}

function parseSums(text: string, where: string): Map<string, string> {
  const sums = new Map<string, string>()
  for (const line of text.split('\n')) {
    if (line === '') continue
    const [, sum, name] = /^([0-9a-f]{64}) {2}(.+)$/.exec(line) ?? []
    if (sum === undefined || name === undefined)
      throw new IntegrityError(`${where}: ${SUMS} is damaged`, { hint: HINT })
    sums.set(name, sum)
  }
  return sums
}
