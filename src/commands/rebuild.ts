import { Command, Option } from 'commander'

import { catalogue } from '../config/catalogue.js'
import { UsageError } from '../core/errors.js'
import { displayName, type CollectionDefinition, type Space } from '../core/records.js'
import type { IndexSettings } from '../datadir/index-settings.js'
import { grouped, plural } from '../output/format.js'
import type { Style } from '../output/style.js'
import type { Rebuilt, RebuildPlan } from '../transfer/rebuild-index.js'
import { withAudit } from './audit.js'
import { cacheFolder } from './cache-folder.js'
import { act, group } from './command.js'
import type { CommandContext, Launcher } from './context.js'
import { parsed } from './parse.js'
import { targetDirectory } from './target.js'

interface Flags {
  readonly collection?: string
  readonly space?: Space
  readonly efConstruction?: number
  readonly m?: number
  readonly allowPartial?: boolean
  readonly serverStopped?: boolean
  readonly apply?: boolean
}

export function rebuildCommand(launcher: Launcher): Command {
  return group('rebuild', 'build parts of a data directory anew', rebuildIndexCommand(launcher))
}

function rebuildIndexCommand(launcher: Launcher): Command {
  const command = new Command('index')
    .description(
      'build the vector index of a collection anew from its records; a plan unless --apply is given',
    )
    .option('--collection <name>', 'the collection: [[tenant/]database/]name')
    .addOption(new Option('--space <space>', 'measure distances otherwise').choices(['l2', 'cosine', 'ip']))
    .addOption(parsed('--ef-construction <n>', 'how thoroughly neighbours are looked for', wholeNumber))
    .addOption(parsed('--m <n>', 'neighbours of a vector (max_neighbors)', wholeNumber))
    .option('--allow-partial', 'build it from the vectors that are there, although some are lost')
    .option('--server-stopped', 'no server runs on the directory, though that cannot be seen')
    .option('--apply', 'build it and put it in the place of the old one')
  return act(command, launcher, async (context) => {
    await rebuild(context, command.opts<Flags>())
  })
}

async function rebuild(context: CommandContext, flags: Flags): Promise<void> {
  const { output, signal } = context
  const apply = flags.apply === true
  if (apply) context.changes('rebuild index')
  const directory = targetDirectory(context)
  if (directory === null)
    throw new UsageError('an index is rebuilt in a data directory', { hint: 'name it with --path' })
  const { collection: name } = flags
  if (name === undefined)
    throw new UsageError('no collection is named', { hint: 'name one with --collection' })
  const tempDir = await context.tempDir()
  const collection = await find(context, directory, name, tempDir)
  const { planRebuild, rebuildIndex } = await import('../transfer/rebuild-index.js')
  const allowPartial = flags.allowPartial ?? false
  const job = { directory, collection, changes: changesOf(flags), allowPartial, progress: output, signal }
  if (!apply) {
    const plan = await planRebuild({ ...job, tempDir })
    output.result({ applied: false, directory, ...plan, oldIndex: null, newIndex: null }, describe)
    return
  }
  const details = { directory, collection: displayName(collection), ...job.changes }
  const serverStopped = flags.serverStopped ?? false
  const cacheDir = await cacheFolder(context, tempDir)
  const rebuilt = await withAudit(context, { repository: null, command: 'rebuild index', details }, () =>
    rebuildIndex({ ...job, cacheDir, serverStopped }),
  )
  output.result({ applied: true, directory, ...rebuilt }, describe)
}

async function find(
  { settings }: CommandContext,
  directory: string,
  name: string,
  tempDir: string,
): Promise<CollectionDefinition> {
  const [{ openDataDirectory }, { parseCollectionPattern }, { CollectionNotFoundError }] = await Promise.all([
    import('../datadir/data-directory.js'),
    import('../core/collection-pattern.js'),
    import('../chroma/errors.js'),
  ])
  const pattern = parseCollectionPattern(name)
  const [tenants, databases] = [settings.value(catalogue.tenant), settings.value(catalogue.database)]
  const data = await openDataDirectory(directory, { tempDir })
  try {
    const all = data.collections()
    const found = all.filter(
      (each) =>
        pattern.matches(each) &&
        (tenants.length === 0 || tenants.includes(each.tenant)) &&
        (databases.length === 0 || databases.includes(each.database)),
    )
    const [only, other] = found
    if (only === undefined) throw new CollectionNotFoundError([name], all.map(displayName))
    if (other !== undefined)
      throw new UsageError(`several collections are called ${name}: ${found.map(displayName).join(', ')}`, {
        hint: 'write tenant/database/name',
      })
    return only
  } finally {
    data.close()
  }
}

function changesOf({ space, efConstruction, m }: Flags): Partial<IndexSettings> {
  return {
    ...(space !== undefined && { space }),
    ...(efConstruction !== undefined && { efConstruction }),
    ...(m !== undefined && { maxNeighbours: m }),
  }
}

function wholeNumber(text: string): number {
  const number = Number(text)
  if (!/^\d+$/.test(text) || number < 2 || number > 10_000)
    throw new UsageError(`"${text}" is not a number from 2 to 10000`)
  return number
}

type Shown = RebuildPlan & {
  readonly applied: boolean
  readonly oldIndex: Rebuilt['oldIndex']
  readonly newIndex: string | null
}

function describe(
  { applied, collection, records, before, after, warnings, oldIndex }: Shown,
  style: Style,
): string {
  const head = applied
    ? `${style.good('rebuilt')} the index of ${collection} from ${plural(records, 'record')}`
    : `nothing has been changed; with --apply, the index of ${collection} would be built anew from ${plural(records, 'record')}`
  return [
    head,
    `  ${settingsText(before)}${settingsText(before) === settingsText(after) ? ' (as it was)' : ` -> ${settingsText(after)}`}`,
    ...warnings.map((warning) => `${style.warning('careful:')} ${warning}`),
    ...(applied ? ['  the collection and its records have kept their ids'] : []),
    ...(oldIndex === null
      ? []
      : [
          `  the old index is in ${oldIndex}, and belongs to nobody: "cleanup orphans" puts it into quarantine`,
        ]),
  ].join('\n')
}

function settingsText({ space, efConstruction, maxNeighbours }: IndexSettings): string {
  return `${space}, ef_construction ${grouped(efConstruction)}, max_neighbors ${grouped(maxNeighbours)}`
}
