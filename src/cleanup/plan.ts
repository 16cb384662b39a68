import { holderText } from '../datadir/holder.js'
import type { FullTextDifferences } from './full-text.js'
import { CLEANUP_TARGETS, type CleanupPlan, type CleanupStep, type CleanupTarget } from './report.js'
import type { CleanupFacts, RowFacts } from './survey.js'

export interface PlanJob {
  readonly directory: string
  readonly targets: readonly CleanupTarget[]
  /** Null: what is removed is gone for good. */
  readonly quarantine: string | null
  /** Whether the quarantine takes the same space as the directory. */
  readonly quarantineIsHere: boolean
  /** Whether `vacuum` writes to another file system first. */
  readonly via: boolean
}

/** What is to be done, from what was found. Pure: reads nothing, changes nothing. */
export function planCleanup(job: PlanJob, facts: CleanupFacts): CleanupPlan {
  const drafts = [...orphanDrafts(facts), ...logDrafts(facts), ...fullTextDrafts(facts)]
  if (job.targets.includes('vacuum')) drafts.push(...vacuumDrafts(job, facts, drafts))
  const steps = withSpace(job, facts, drafts)
  const done = steps.filter(({ fits }) => fits)
  return {
    directory: job.directory,
    targets: CLEANUP_TARGETS.filter((target) => job.targets.includes(target)),
    steps,
    notices: facts.notices,
    quarantine: job.quarantine,
    freeBytes: facts.fileSystem.freeBytes,
    databaseBytes: facts.pages.pages * facts.pages.pageSize,
    holder: holderText(facts.holder),
    freesBytes: sum(done.map(({ freesBytes }) => freesBytes)),
    quarantineBytes: sum(done.map(({ quarantineBytes }) => quarantineBytes)),
  }
}

/** A step before it is known where its things go, and what space is left when its turn comes. */
interface Draft extends Omit<CleanupStep, 'freesBytes' | 'quarantineBytes' | 'fits'> {
  /** Files are moved into the quarantine; rows are copied there, and their space stays in the database. */
  readonly kind: 'files' | 'rows' | 'vacuum'
}

/** The journal of one transaction, and the pages that it touches. Transactions are short. */
const MOST_JOURNAL = 32 << 20
const LEAST_JOURNAL = 64 << 10

function orphanDrafts({ orphanDirectories, orphanRows }: CleanupFacts): readonly Draft[] {
  const drafts = orphanRows.map((rows) => rowDraft('orphans', rows))
  if (orphanDirectories.length === 0) return drafts
  const bytes = sum(orphanDirectories.map(({ allocatedBytes }) => allocatedBytes))
  // First: on a full disk it is all that can be done, because it needs no space.
  return [
    {
      ...NO_NEEDS,
      kind: 'files',
      target: 'orphans',
      id: 'index-directories',
      what: `${orphanDirectories.length} index ${orphanDirectories.length === 1 ? 'directory' : 'directories'} of no collection`,
      why: 'Chroma leaves the directory of every collection that is deleted',
      evidence: orphanDirectories.slice(0, 5).map(({ name }) => name),
      count: orphanDirectories.length,
      bytes,
    },
    ...drafts,
  ]
}

function logDrafts({ log, purgingIsOff }: CleanupFacts): readonly Draft[] {
  const drafts: Draft[] = log === null ? [] : [rowDraft('wal', log)]
  if (purgingIsOff)
    drafts.push({
      ...NO_NEEDS,
      kind: 'rows',
      target: 'wal',
      id: 'embeddings_queue_config',
      what: 'purging of the write-ahead log, which is off, is switched on',
      why: 'databases born before Chroma 0.5.6 keep their log for ever; a server goes by it from its next start',
      evidence: [],
      count: 1,
      bytes: 0,
      needsBytes: LEAST_JOURNAL,
    })
  return drafts
}

function fullTextDrafts({ fullText }: CleanupFacts): readonly Draft[] {
  if (fullText === null) return []
  const { missing, different, surplus, damage, bytes } = fullText
  const count = missing + different + surplus
  if (count === 0 && damage === null) return []
  return [
    {
      ...NO_NEEDS,
      kind: 'rows',
      target: 'fts',
      id: 'full-text',
      what: 'the full-text index, made to agree with the documents',
      why: 'searches in documents go by it: they miss records, or find wrong ones',
      evidence: evidenceOf(fullText),
      count,
      bytes,
      needsBytes: 2 * bytes + LEAST_JOURNAL,
      needsServerStopped: true,
    },
  ]
}

function evidenceOf({ missing, different, surplus, damage }: FullTextDifferences): readonly string[] {
  const texts = [
    missing > 0 ? `${missing} documents are not in it` : '',
    different > 0 ? `${different} documents are in it in other words` : '',
    surplus > 0 ? `${surplus} records without a document are in it` : '',
    damage ?? '',
  ]
  return texts.filter((text) => text !== '')
}

function vacuumDrafts(job: PlanJob, { pages }: CleanupFacts, before: readonly Draft[]): readonly Draft[] {
  const emptied = sum(before.filter(({ kind }) => kind === 'rows').map(({ bytes }) => bytes))
  const free = pages.freePages * pages.pageSize
  if (free + emptied === 0) return []
  const size = pages.pages * pages.pageSize
  const compact = Math.max(size - free - emptied, 0)
  return [
    {
      kind: 'vacuum',
      target: 'vacuum',
      id: 'vacuum',
      what: 'the database file, rewritten without empty pages',
      why: 'SQLite never gives space back by itself, and empty pages still hold deleted text',
      evidence: [`${pages.freePages} of ${pages.pages} pages are empty`],
      count: 1,
      bytes: free + emptied,
      needsBytes: job.via ? 0 : size,
      needsTempBytes: job.via ? 0 : compact,
      needsServerStopped: true,
    },
  ]
}

function rowDraft(target: CleanupTarget, { rule, count, bytes, examples }: RowFacts): Draft {
  return {
    ...NO_NEEDS,
    kind: 'rows',
    target,
    id: rule.table,
    what: `${count} ${rule.what}`,
    why: rule.why,
    evidence: examples,
    count,
    bytes,
    needsBytes: Math.min(2 * bytes, MOST_JOURNAL) + LEAST_JOURNAL,
  }
}

const NO_NEEDS = { needsBytes: 0, needsTempBytes: 0, needsServerStopped: false } as const

/** Follows the free space from step to step. */
function withSpace(
  { quarantine, quarantineIsHere }: PlanJob,
  { fileSystem, tempFreeBytes, tempIsHere }: CleanupFacts,
  drafts: readonly Draft[],
): readonly CleanupStep[] {
  let free = fileSystem.freeBytes
  return drafts.map(({ kind, ...draft }) => {
    const kept = quarantine === null || kind === 'vacuum' ? 0 : draft.bytes
    const staysHere = kept > 0 && quarantineIsHere
    const copied = kind === 'rows' && staysHere ? kept : 0
    const freesBytes = kind === 'rows' || (kind === 'files' && staysHere) ? 0 : draft.bytes
    const needsBytes = draft.needsBytes + copied
    const temp = tempIsHere ? free - needsBytes : tempFreeBytes
    const fits = needsBytes <= free && draft.needsTempBytes <= temp
    free += freesBytes - copied
    return { ...draft, needsBytes, freesBytes, quarantineBytes: kept, fits }
  })
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0)
}
