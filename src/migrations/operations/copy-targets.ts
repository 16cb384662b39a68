import { createLike } from '../../chroma/create-like.js'
import { withEmbeddingFunction, withSpace } from '../../chroma/definition-space.js'
import { withTrueSpace } from '../../chroma/probe-space.js'
import type { Metadata } from '../../core/metadata.js'
import type { JsonValue } from '../../core/json.js'
import type { CollectionDefinition } from '../../core/records.js'
import { SHADOW_KEY } from '../../core/shadow-key.js'
import { dropCollection, findById } from '../../transfer/commit-shadow.js'
import { nameWithSuffix } from '../../transfer/shadow-name.js'
import type { RecordMap } from '../record-map.js'
import type { CopyPlan } from './copy-plan.js'
import {
  addressOf,
  facts,
  nameTaken,
  readJournal,
  shadowMarker,
  shortHash,
  type StepTools,
} from './step-tools.js'

/** One collection that is being made. */
export interface CopyTarget {
  /** Its name in the end. */
  readonly name: string
  readonly collection: CollectionDefinition
  /** It has its name already. */
  readonly committed: boolean
  /** An earlier run has written to it. */
  readonly begun: boolean
}

/** What the journal of an unfinished copy holds. */
export interface CopyJournal {
  readonly verified: boolean
  /** Ids by names. */
  readonly ids: ReadonlyMap<string, string>
  /** Names under which they are built. */
  readonly shadows: readonly string[]
}

export function readCopyJournal(tools: StepTools): CopyJournal {
  const begun = readJournal(tools)
  const ids = begun.value('ids')
  const entries = ids instanceof Map ? [...ids] : []
  const shadows = begun.value('shadows')
  return {
    verified: begun.value('verified') === true,
    ids: new Map(entries.flatMap(([name, id]) => (typeof id === 'string' ? [[String(name), id]] : []))),
    shadows: Array.isArray(shadows) ? shadows.map(String) : [],
  }
}

export async function writeCopyJournal(
  tools: StepTools,
  plan: CopyPlan,
  targets: readonly Pick<CopyTarget, 'name' | 'collection'>[],
  verified: boolean,
): Promise<void> {
  const ids = new Map<string, JsonValue>(targets.map(({ name, collection }) => [name, collection.id]))
  const shadows = plan.targets.map((name) => shadowOf(plan, tools, name).name)
  await tools.journal.put(facts({ kind: plan.kind, ids, shadows, verified }))
}

/**
 * The targets as they are: those that an earlier run has begun or finished, and new ones. Their ids are in the
 * journal before anything is written to them. Rejects with a MigrationError `NAME_TAKEN` before anything is made.
 */
export async function openTargets(
  plan: CopyPlan,
  tools: StepTools,
): Promise<{ readonly targets: readonly CopyTarget[]; readonly notes: readonly string[] }> {
  const { api, signal } = tools
  const journal = readCopyJournal(tools)
  const live = new Map<string, CollectionDefinition>()
  for (const name of plan.targets) {
    const found = await api.findCollection(addressOf(tools, name), signal)
    if (found === undefined) continue
    if (found.id !== journal.ids.get(name)) throw nameTaken(found)
    live.set(name, found)
  }
  // The names are known before anything has them, the ids as soon as something has.
  const begun = [...live].map(([name, collection]) => ({ name, collection }))
  if (journal.shadows.length === 0) await writeCopyJournal(tools, plan, begun, false)
  const targets: CopyTarget[] = []
  const notes: string[] = []
  for (const name of plan.targets) {
    const committed = live.get(name)
    if (committed !== undefined) {
      targets.push({ name, collection: committed, committed: true, begun: true })
      continue
    }
    const opened = await openShadow(plan, tools, name, journal.ids.get(name))
    targets.push({ name, collection: opened.collection, committed: false, begun: opened.begun })
    notes.push(...opened.notes)
  }
  await writeCopyJournal(tools, plan, targets, journal.verified && targets.every(({ begun }) => begun))
  return { targets, notes }
}

async function openShadow(plan: CopyPlan, tools: StepTools, name: string, begunId: string | undefined) {
  const { api, signal } = tools
  const { run, name: shadow } = shadowOf(plan, tools, name)
  const address = addressOf(tools, shadow)
  const found = await api.findCollection(address, signal)
  if (found?.metadata?.get(SHADOW_KEY) === run) return { collection: found, begun: true, notes: [] }
  if (found !== undefined) throw nameTaken(address)
  // Begun by an earlier edition of the migration.
  const stale = begunId === undefined ? undefined : await findById(api, tools, begunId, signal)
  if (stale?.metadata?.has(SHADOW_KEY) === true) await dropCollection(api, stale, signal)
  const marker = shadowMarker(tools, run, name)
  const definition = await resultDefinition(plan, tools)
  const { collection, warnings } = await createLike(api, definition, { address, marker, signal })
  return { collection, begun: false, notes: warnings.map(({ message }) => message) }
}

/** The same in every run of the same step. */
function shadowOf({ kind, content, sources }: CopyPlan, { version }: StepTools, name: string) {
  const run = shortHash(version, kind, content, name, ...sources.map(({ id }) => id))
  return { run, name: nameWithSuffix(name, `.migrate-${run}`) }
}

/** Like the first source, but for what the map changes. */
async function resultDefinition({ sources, map }: CopyPlan, tools: StepTools): Promise<CollectionDefinition> {
  const [source] = sources
  if (source === undefined) throw new Error('a copy of nothing')
  const known = await withTrueSpace(tools.api, source, tools.signal)
  if (map === null) return known
  const spaced =
    map.space === null ? known : withSpace({ ...known, metadata: resultMetadata(source, map) }, map.space)
  return map.embeddingFunction === undefined ? spaced : withEmbeddingFunction(spaced, map.embeddingFunction)
}

/** Where the space is another one, a note of the old one would lie. */
export function resultMetadata(
  { metadata }: CollectionDefinition,
  map: Pick<RecordMap, 'space'> | null,
): Metadata | null {
  const left = [...(metadata ?? [])].filter(([key]) => map?.space == null || key !== 'hnsw:space')
  return left.length === 0 ? null : new Map(left)
}
