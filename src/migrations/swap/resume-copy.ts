import { readAll, readByIds, spoolIds } from '../../chroma/read-by-ids.js'
import { copyBatches, forgetRecords, once, type CopyJob } from './copy-records.js'
import type { PartedSpool } from './parted-spool.js'
import { DIGEST_LENGTH } from './record-digests.js'

const SOME_VALUE = '.'.repeat(DIGEST_LENGTH)

type Job = CopyJob & { readonly tempDir: string }

/** Copies every record into a target that holds nothing yet. */
export async function copyAll(job: Job): Promise<void> {
  await copyBatches(job, readAll({ ...job, collection: job.source, vectors: true }))
}

/**
 * Copies what an earlier run has not: the ids of the source without those that are known to be copied. What is
 * in the target and not known is copied once more: the run died before it could write it down.
 */
export async function copyMissing(job: Job): Promise<void> {
  const { ledger } = job
  const there = await idsOf(job, job.target)
  try {
    for (let part = 0; part < ledger.parts; part++) {
      const known = await ledger.read(part)
      const present = await there.read(part)
      const unknown = [...present.keys()].filter((id) => (known.get(id)?.target ?? null) === null)
      const lost = [...known].filter(([id, { target }]) => target !== null && !present.has(id))
      await forgetRecords(job, [...unknown, ...lost.map(([id]) => id)])
    }
  } finally {
    await there.dispose()
  }
  const wanted = await idsOf(job, job.source)
  try {
    for (let part = 0; part < ledger.parts; part++) {
      const known = await ledger.read(part)
      const missing = [...(await wanted.read(part)).keys()].filter((id) => !known.has(id))
      await copyBatches(job, readByIds({ ...job, collection: job.source, vectors: true }, once(missing)))
    }
  } finally {
    await wanted.dispose()
  }
}

async function idsOf(job: Job, collection: CopyJob['source']): Promise<PartedSpool> {
  const { api, ledger, tempDir, signal } = job
  const spool = await ledger.spoolLike(tempDir)
  try {
    const list = await spoolIds({ api, collection, window: api.mostPerRequest, signal }, tempDir)
    try {
      for await (const ids of list.read()) await spool.add(ids.map((id) => [id, SOME_VALUE]))
    } finally {
      await list.dispose()
    }
    return spool
  } catch (error) {
    await spool.dispose()
    throw error
  }
}
