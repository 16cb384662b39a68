import type { ChromaApi } from '../../chroma/api.js'
import { readAll } from '../../chroma/read-by-ids.js'
import { spaceOf } from '../../chroma/space.js'
import { throwIfAborted } from '../../core/errors.js'
import { isOrAre, plural } from '../../core/plural.js'
import type { CheckContext, CollectionChecks, CollectionRequirement } from '../definition.js'
import { collectionReads, findByName } from './collection-reads.js'
import { CheckFailedError } from './errors.js'
import { refusedBefore } from './failure.js'
import type { KnownMigration } from './select.js'

export interface CheckJob {
  readonly api: ChromaApi
  readonly tenant: string
  readonly database: string
  readonly concurrency: number
  readonly tempDir: string
  readonly signal: AbortSignal
}

/** Runs the `check` of a migration. Rejects with what is wrong, told with the migration. */
export async function runCheck(
  file: KnownMigration,
  job: CheckJob & { readonly directory: string },
): Promise<void> {
  try {
    await file.definition.check?.(checkContext(job))
  } catch (error) {
    throwIfAborted(job.signal)
    throw refusedBefore(error, { file, directory: job.directory, at: 'check' })
  }
}

export function checkContext(job: CheckJob): CheckContext {
  const { tenant, database, signal } = job
  return { signal, tenant, database, collection: (name) => checksOf(job, name) }
}

function checksOf(job: CheckJob, name: string): CollectionChecks {
  const find = findByName(job, name)
  return {
    ...collectionReads({ ...job, find }),
    async require(requirement) {
      const problems = await problemsOf(job, name, requirement)
      if (problems.length > 0) throw new CheckFailedError(`collection ${name}: ${problems.join('; ')}`)
    },
    async requireDocuments({ missingAtMost = 0 } = {}) {
      const { api, concurrency, tempDir, signal } = job
      const collection = await find()
      let missing = 0
      const reader = { api, collection, vectors: false, concurrency, tempDir, signal }
      for await (const { documents } of readAll(reader))
        missing += documents.filter((document) => document === null).length
      if (missing > missingAtMost)
        throw new CheckFailedError(
          `collection ${name}: ${plural(missing, 'record')} ${missing === 1 ? 'has' : 'have'} no document, at most ${missingAtMost} may lack one`,
        )
    },
  }
}

async function problemsOf(
  { api, tenant, database, signal }: CheckJob,
  name: string,
  requirement: CollectionRequirement,
): Promise<readonly string[]> {
  const found = await api.findCollection({ tenant, database, name }, signal)
  if (found === undefined) return requirement.exists === false ? [] : ['it is not there']
  if (requirement.exists === false) return ['it is there already']
  const { space, dimension, minRecords, maxRecords } = requirement
  const problems: string[] = []
  const measured = spaceOf(found)
  if (space !== undefined && measured !== space) problems.push(`it measures ${measured}, not ${space}`)
  if (dimension !== undefined && found.dimension !== dimension)
    problems.push(`its vectors have ${found.dimension ?? 'no'} numbers, not ${dimension}`)
  if (minRecords === undefined && maxRecords === undefined) return problems
  const records = await api.count(found, signal)
  if (minRecords !== undefined && records < minRecords)
    problems.push(
      `it has ${plural(records, 'record')}, at least ${minRecords} ${isOrAre(minRecords)} expected`,
    )
  if (maxRecords !== undefined && records > maxRecords)
    problems.push(
      `it has ${plural(records, 'record')}, at most ${maxRecords} ${isOrAre(maxRecords)} expected`,
    )
  return problems
}
