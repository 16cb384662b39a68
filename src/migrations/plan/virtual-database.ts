import type { ChromaApi } from '../../chroma/api.js'
import { CollectionNotFoundError } from '../../chroma/errors.js'
import { spaceOf } from '../../chroma/space.js'
import { namesToChoose } from '../../core/own-collections.js'
import type { CollectionDefinition, Space } from '../../core/records.js'
import { MigrationError } from '../migration-error.js'
import type { RecordMap } from '../record-map.js'
import type { Step } from '../step.js'

/** A collection as it will be when the steps recorded so far are done. */
export interface VirtualCollection {
  readonly name: string
  /** On the server now, whatever its name there; null: an earlier step makes it. */
  readonly origin: CollectionDefinition | null
  readonly space: Space
  /** Null: unknown, or none yet. */
  readonly dimension: number | null
  /** Null: not known before the steps are done. */
  readonly records: number | null
  /** An earlier step changes its records: what the server holds says nothing about what a later one will see. */
  readonly changed: boolean
}

/** The database under the steps of a plan: nothing is written, and what they will have done is remembered. */
export class VirtualDatabase {
  readonly #api: ChromaApi
  readonly #tenant: string
  readonly #database: string
  readonly #signal: AbortSignal
  /** By name; null: not there any more. */
  readonly #known = new Map<string, VirtualCollection | null>()
  readonly #origins = new Map<string, CollectionDefinition>()
  #opaque = false

  constructor(of: {
    readonly api: ChromaApi
    readonly tenant: string
    readonly database: string
    readonly signal: AbortSignal
  }) {
    this.#api = of.api
    this.#tenant = of.tenant
    this.#database = of.database
    this.#signal = of.signal
  }

  /** Whether code of one's own comes before: any collection may be there or not. */
  get opaque(): boolean {
    return this.#opaque
  }

  /** The server's collections that were asked for, as they are there. */
  origins(): readonly CollectionDefinition[] {
    return [...this.#origins.values()]
  }

  /** What the server's collections are called by now, by id, as far as they were asked for. */
  names(): ReadonlyMap<string, string> {
    const known = [...this.#known.values()].filter((collection) => collection !== null)
    return new Map(known.flatMap(({ origin, name }) => (origin === null ? [] : [[origin.id, name]])))
  }

  /** Null: there will be none of this name. */
  async find(name: string): Promise<VirtualCollection | null> {
    const known = this.#known.get(name)
    if (known !== undefined) return known
    const address = { tenant: this.#tenant, database: this.#database, name }
    const origin = await this.#api.findCollection(address, this.#signal)
    const found = origin === undefined ? null : await this.#asItIs(origin)
    this.#known.set(name, found)
    return found
  }

  /**
   * Remembers what the step will have done. Gives the collection that it works on, as it is before; null when
   * that is not known. Rejects with a CollectionNotFoundError or a {@link MigrationError} `NAME_TAKEN`.
   */
  async apply(step: Step): Promise<VirtualCollection | null> {
    if (step.kind === 'code' || step.kind === 'client') {
      this.#opaque = true
      return null
    }
    if (step.kind === 'create') {
      await this.#refuseTaken(step.collection)
      const space = step.options.space ?? 'l2'
      this.#put({ ...this.#made(step.collection), space, records: 0, changed: false })
      return null
    }
    const source = await this.#required(step.collection)
    if (source !== null) await this.#change(step, source)
    return source
  }

  /**
   * A run that died may be anywhere in this step: whatever the step leaves in the end will be there, in a shape that
   * nobody knows now.
   */
  async assume(step: Step): Promise<void> {
    for (const name of leftBy(step)) if ((await this.find(name)) === null) this.#put(this.#made(name))
  }

  async #change(step: WorkingStep, source: VirtualCollection): Promise<void> {
    switch (step.kind) {
      case 'drop':
        this.#known.set(source.name, null)
        return
      case 'rename':
        await this.#refuseTaken(step.to)
        this.#known.set(source.name, null)
        this.#put({ ...source, name: step.to })
        return
      case 'copyAndSwap':
      case 'inPlace':
        this.#put({ ...mapped(source, step.map), changed: true })
        return
      case 'copyTo':
        await this.#refuseTaken(step.to)
        this.#put({ ...this.#made(step.to), ...shapeOf(mapped(source, step.map)) })
        return
      case 'split':
        for (const name of step.names) {
          await this.#refuseTaken(name)
          this.#put({ ...this.#made(name), ...shapeOf(mapped(source, step.map)), records: null })
        }
        return
      case 'merge':
        for (const name of step.others) await this.#required(name)
        await this.#refuseTaken(step.into)
        this.#put({ ...this.#made(step.into), ...shapeOf(source), records: null })
        return
      case 'setMetadata':
      case 'setConfiguration':
    }
  }

  /** Null: code of one's own may have made it. */
  async #required(name: string): Promise<VirtualCollection | null> {
    const found = await this.find(name)
    if (found !== null || this.#opaque) return found
    throw new CollectionNotFoundError([name], await this.#there())
  }

  async #refuseTaken(name: string): Promise<void> {
    if ((await this.find(name)) === null || this.#opaque) return
    throw new MigrationError('NAME_TAKEN', `there is a collection ${name} already`, {
      hint: 'choose another name, or rename or drop that collection in a step before',
    })
  }

  async #there(): Promise<readonly string[]> {
    const there = await this.#api.listCollections(this.#tenant, this.#database, this.#signal)
    return namesToChoose(there)
  }

  async #asItIs(origin: CollectionDefinition): Promise<VirtualCollection> {
    this.#origins.set(origin.id, origin)
    return {
      name: origin.name,
      origin,
      space: spaceOf(origin),
      dimension: origin.dimension,
      records: await this.#api.count(origin, this.#signal),
      changed: false,
    }
  }

  #made(name: string): VirtualCollection {
    return { name, origin: null, space: 'l2', dimension: null, records: null, changed: true }
  }

  #put(collection: VirtualCollection): void {
    this.#known.set(collection.name, collection)
  }
}

/** Names that there are when the step is done. */
function leftBy(step: Step): readonly string[] {
  switch (step.kind) {
    case 'create':
    case 'copyAndSwap':
    case 'inPlace':
    case 'setMetadata':
    case 'setConfiguration':
      return [step.collection]
    case 'rename':
    case 'copyTo':
      return [step.to]
    case 'split':
      return step.names
    case 'merge':
      return [step.into]
    case 'drop':
    case 'code':
    case 'client':
      return []
  }
}

type WorkingStep = Exclude<Step, { readonly kind: 'create' | 'code' | 'client' }>

function mapped(source: VirtualCollection, map: RecordMap): VirtualCollection {
  // How long new vectors are, their provider says when it is asked.
  const dimension = map.newVectors ? null : source.dimension
  return { ...source, space: map.space ?? source.space, dimension }
}

function shapeOf({ space, dimension, records }: VirtualCollection) {
  return { space, dimension, records }
}
