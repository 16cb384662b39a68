import type { Database } from './sqlite.js'

/**
 * How many migrations of each kind a database has had. Every Chroma release brings its own set and applies
 * what is missing when it starts; there is no way back.
 */
export interface MigrationFingerprint {
  readonly sysdb: number
  readonly metadb: number
  readonly embeddingsQueue: number
  /** Releases whose set this is, such as `1.3.0 to 1.4.x`; null when no release known here has it. */
  readonly releases: string | null
}

/** A release and the sets from there on, as far as the next entry. */
export interface ReleaseMigrations {
  /** The first release with this set. */
  readonly from: string
  /** The last one, with `x` for a number. */
  readonly to: string
  readonly sysdb: number
  readonly metadb: number
  readonly embeddingsQueue: number
}

/** Counted in databases that the releases themselves have made. Oldest first. */
export const RELEASES: readonly ReleaseMigrations[] = [
  { from: '0.4.0', to: '0.4.14', sysdb: 3, metadb: 1, embeddingsQueue: 1 },
  { from: '0.4.15', to: '0.4.x', sysdb: 4, metadb: 3, embeddingsQueue: 1 },
  { from: '0.5.0', to: '0.5.4', sysdb: 5, metadb: 3, embeddingsQueue: 1 },
  { from: '0.5.5', to: '0.5.5', sysdb: 7, metadb: 3, embeddingsQueue: 1 },
  { from: '0.5.6', to: '0.6.x', sysdb: 9, metadb: 4, embeddingsQueue: 2 },
  { from: '1.0.0', to: '1.2.x', sysdb: 9, metadb: 5, embeddingsQueue: 2 },
  { from: '1.3.0', to: '1.4.x', sysdb: 10, metadb: 5, embeddingsQueue: 2 },
  { from: '1.5.0', to: 'newer', sysdb: 10, metadb: 6, embeddingsQueue: 2 },
]

/** From here on a release works on a database with newer migrations than its own; older ones crash on it. */
const FIRST_TOLERANT = '1.3.0'

/** `as it is`, after `migrating` it for good, or not at all because the migrations are ahead. */
export type Opening = 'as it is' | 'migrating' | 'refused'

/** How a release of Chroma would open a database with these migrations. `version` is `1.5.9`, `1.5` or `1`. */
export function openingBy(version: string, fingerprint: MigrationFingerprint): Opening {
  const release = releaseOf(version)
  if (release === undefined) return 'refused'
  const sets = [
    release.sysdb - fingerprint.sysdb,
    release.metadb - fingerprint.metadb,
    release.embeddingsQueue - fingerprint.embeddingsQueue,
  ]
  if (sets.some((ahead) => ahead < 0) && compareVersions(version, FIRST_TOLERANT) < 0) return 'refused'
  return sets.some((ahead) => ahead > 0) ? 'migrating' : 'as it is'
}

/** The set that a release brings; undefined before 0.4. */
export function releaseOf(version: string): ReleaseMigrations | undefined {
  return RELEASES.findLast(({ from }) => compareVersions(version, from) >= 0)
}

/** Throws what {@link Database} throws. Undefined when there is no table of migrations: not Chroma's. */
export function readFingerprint(database: Database): MigrationFingerprint | undefined {
  const table = "SELECT name FROM sqlite_master WHERE type = 'table' AND name = 'migrations'"
  if (database.get(table) === undefined) return undefined
  const counts = new Map<string, number>()
  for (const row of database.all('SELECT dir, max(version) AS version FROM migrations GROUP BY dir'))
    counts.set(String(row['dir']), Number(row['version']))
  const [sysdb, metadb, embeddingsQueue] = ['sysdb', 'metadb', 'embeddings_queue'].map(
    (dir) => counts.get(dir) ?? 0,
  )
  return fingerprintOf({ sysdb, metadb, embeddingsQueue })
}

function fingerprintOf(counts: {
  readonly sysdb: number | undefined
  readonly metadb: number | undefined
  readonly embeddingsQueue: number | undefined
}): MigrationFingerprint {
  const { sysdb = 0, metadb = 0, embeddingsQueue = 0 } = counts
  const found = RELEASES.find(
    (release) =>
      release.sysdb === sysdb && release.metadb === metadb && release.embeddingsQueue === embeddingsQueue,
  )
  const releases = found === undefined ? null : rangeOf(found)
  return { sysdb, metadb, embeddingsQueue, releases }
}

function rangeOf({ from, to }: ReleaseMigrations): string {
  if (to === 'newer') return `${from} and newer`
  return from === to ? from : `${from} to ${to}`
}

function compareVersions(a: string, b: string): number {
  const [left, right] = [numbersOf(a), numbersOf(b)]
  for (let at = 0; at < 3; at++) {
    const difference = (left[at] ?? 0) - (right[at] ?? 0)
    if (difference !== 0) return difference
  }
  return 0
}

function numbersOf(version: string): number[] {
  return version.split('.').map((part) => Number.parseInt(part, 10) || 0)
}
