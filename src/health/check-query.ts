import { ask, type CollectionProbe } from './ask.js'
import { collectionFinding, healthCommand } from './findings.js'
import type { CollectionHealth, HealthFinding } from './report.js'

/** Asks for the nearest records to a stored vector. Rejects like {@link ask}. */
export async function checkQuery(
  probe: CollectionProbe,
  vector: Float32Array,
  records: number,
): Promise<{ readonly query: NonNullable<CollectionHealth['query']>; readonly ms: number }> {
  const expected = Math.min(NEAREST, records)
  const { value, ms } = await ask(probe, 'query', (signal) =>
    probe.api.query(probe.collection, { vector, limit: expected, withVectors: false }, signal),
  )
  return { query: { hits: value.length, expected }, ms }
}

export function queryFinding(
  probe: CollectionProbe,
  { hits, expected }: NonNullable<CollectionHealth['query']>,
): HealthFinding | undefined {
  if (hits >= expected) return undefined
  return collectionFinding(probe.collection, {
    id: 'QUERY_INCOMPLETE',
    severity: 'warning',
    evidence: `a query for ${expected} records found ${hits}`,
    consequence: 'Searches give fewer results than there are records: the index does not reach all of them.',
    advice: 'read every vector back to see whether some are lost',
    command: healthCommand(probe.collection, probe.url),
  })
}

const NEAREST = 10
