import { metadataSpace, spaceIsDoubtful, spaceOf } from '../chroma/space.js'
import type { CollectionDefinition } from '../core/records.js'
import { collectionFinding } from './findings.js'
import type { HealthFinding } from './report.js'

/** What the description of a collection says against itself, and against the vectors that it holds. */
export function checkDefinition(
  collection: CollectionDefinition,
  vector: Float32Array | null,
): readonly HealthFinding[] {
  const findings: HealthFinding[] = []
  if (spaceIsDoubtful(collection)) {
    findings.push(
      collectionFinding(collection, {
        id: 'SPACE_DOUBTFUL',
        severity: 'warning',
        evidence: `the configuration says ${spaceOf(collection)}, hnsw:space in the metadata says ${metadataSpace(collection.metadata) ?? 'nothing'}`,
        consequence:
          'Collections made before Chroma 1.0 measure with what their metadata says; a copy made from the configuration ranks results differently.',
        advice: 'compare the distances of a query with both formulas before copying this collection by hand',
        command: null,
      }),
    )
  }
  if (vector !== null && collection.dimension !== null && vector.length !== collection.dimension) {
    findings.push(
      collectionFinding(collection, {
        id: 'DIMENSION_DIFFERS',
        severity: 'warning',
        evidence: `the collection says ${collection.dimension}, a stored vector has ${vector.length} numbers`,
        consequence: 'Writes and queries of one of the two lengths are refused.',
        advice: 'find out which embedding model wrote it, and embed the others again',
        command: null,
      }),
    )
  }
  return findings
}
