import type { ChromaApi } from '../chroma/api.js'
import { displayName, type CollectionName } from '../core/records.js'
import { probeQueries, type ProbeFigures } from '../transfer/probe-queries.js'
import type { CollectionRestored } from '../transfer/restore-plan.js'
import { SourceRecords } from '../transfer/source-records.js'
import type { DrillJob } from './drill-backup.js'
import type { DrilledCollection, DrillReport } from './drill-report.js'
import type { BackupRecords } from './open-records.js'

const PROBES = 10
const NEIGHBOURS = 10
/** Below this an index with usual parameters is not as it should be. */
const POOR_RECALL = 0.8

/** A collection as the server of a drill has it. */
export type TriedCollection = Pick<
  CollectionRestored,
  'source' | 'target' | 'records' | 'comparison' | 'warnings'
>

export type DrillTimes = Pick<DrillReport, 'recoveryMs' | 'serverStartMs' | 'restoreMs' | 'probeMs'>

/** Sends probe queries to every collection. */
export async function probeAll(probe: {
  readonly job: DrillJob
  readonly api: ChromaApi
  readonly records: BackupRecords
  readonly collections: readonly TriedCollection[]
}): Promise<DrilledCollection[]> {
  const { job, api, records: source } = probe
  const definitions = new Map(
    (await source.listCollections(job.signal)).map((definition) => [displayName(definition), definition]),
  )
  const drilled: DrilledCollection[] = []
  for (const { source: name, target, records, comparison, warnings } of probe.collections) {
    const definition = definitions.get(displayName(name))
    const probes: ProbeFigures =
      definition === undefined
        ? { queries: 0, recall: null, short: 0 }
        : await probeQueries({
            api,
            collection: await api.getCollection(target, job.signal),
            open: () => SourceRecords.open(source, definition, job.signal),
            queries: job.probes ?? PROBES,
            neighbours: NEIGHBOURS,
            signal: job.signal,
          })
    drilled.push({ ...nameOf(name), records, comparison, probes, warnings })
  }
  return drilled
}

/** `findings`: what is not as it should be, beside what the probes show. */
export function drillReport(
  { head }: DrillJob,
  drill: {
    readonly collections: readonly DrilledCollection[]
    readonly findings: readonly string[]
    readonly records: number
    readonly bytes: number
    readonly times: DrillTimes
  },
): DrillReport {
  const findings = [...drill.findings, ...drill.collections.flatMap(findingsOf)]
  return {
    backup: head.id,
    status: findings.length > 0 ? 'findings' : 'ok',
    collections: drill.collections,
    findings,
    records: drill.records,
    bytes: drill.bytes,
    ...drill.times,
    exitCode: findings.length > 0 ? 3 : 0,
  }
}

function findingsOf({ probes, ...name }: DrilledCollection): readonly string[] {
  const { queries, recall, short } = probes
  if (short > 0)
    return [`${displayName(name)}: ${short} of ${queries} queries found fewer records than there are`]
  return recall !== null && recall < POOR_RECALL
    ? [`${displayName(name)}: queries found ${Math.round(recall * 100)} % of the nearest records`]
    : []
}

function nameOf({ tenant, database, name }: CollectionName): CollectionName {
  return { tenant, database, name }
}
