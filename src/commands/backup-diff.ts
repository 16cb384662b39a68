import { Command } from 'commander'

import type { BackupDiff, CollectionDiff } from '../backup/diff-backups.js'
import { wholeNumber } from '../config/values.js'
import { ExitCode } from '../core/exit-code.js'
import { displayName } from '../core/records.js'
import { plural } from '../output/format.js'
import type { Style } from '../output/style.js'
import { act } from './command.js'
import type { Launcher } from './context.js'
import { parsed, repeated } from './parse.js'
import { chooseBackup, openOwnRepository } from './repository-command.js'

interface Flags {
  readonly series?: string
  readonly collection?: readonly string[]
  readonly exclude?: readonly string[]
  readonly examples: number
  readonly exitCode?: boolean
}

export function backupDiffCommand(launcher: Launcher): Command {
  const command = new Command('diff')
    .description('tell what changed from one backup to another')
    .argument('[from]', 'an id or its beginning, latest, latest~1, or a time', 'latest~1')
    .argument('[to]', 'the same', 'latest')
    .option('--series <name>', 'of this series')
    .addOption(repeated('--collection <pattern>', 'only these: [[tenant/]database/]name with * and ?'))
    .addOption(repeated('--exclude <pattern>', 'all but these'))
    .addOption(parsed('--examples <n>', 'so many ids of each kind', wholeNumber(0)).default(5))
    .option('--exit-code', 'end with 3 when there are differences')
  return act(command, launcher, async (context, from = 'latest~1', to = 'latest') => {
    const { series, collection, exclude, examples, exitCode } = command.opts<Flags>()
    const repository = await openOwnRepository(context)
    const { head: earlier } = await chooseBackup(context, repository, from, { series })
    const { head: later } = await chooseBackup(context, repository, to, { series })
    const { diffBackups } = await import('../backup/diff-backups.js')
    const diff = await diffBackups({
      repository,
      from: earlier,
      to: later,
      collections: collection,
      exclude,
      examples,
      tempDir: await context.tempDir(),
      progress: context.output,
      signal: context.signal,
    })
    if (exitCode === true && diff.status === 'different') context.finish(ExitCode.findings)
    context.output.result({ repository: repository.store.displayUrl, ...diff }, describeDiff)
  })
}

function describeDiff({ from, to, status, collections }: BackupDiff, style: Style): string {
  const verdict = status === 'equal' ? style.good('equal') : style.warning('different')
  const equal = collections.filter((collection) => collection.status === 'equal').length
  return [
    `${verdict}: ${from} and ${to}`,
    ...collections.flatMap((collection) => describeCollection(collection, style)),
    ...(equal > 0 ? [`  ${plural(equal, 'collection')} without a difference`] : []),
  ].join('\n')
}

function describeCollection(collection: CollectionDiff, style: Style): string[] {
  const { status, before, after, renamedFrom, recreated, definition, examples } = collection
  const name = style.bold(displayName(collection))
  if (status === 'equal') return []
  if (status === 'added') return [`  + ${name}: ${plural(after ?? 0, 'record')}`]
  if (status === 'removed') return [`  - ${name}: ${plural(before ?? 0, 'record')}`]
  if (status === 'unknown') return [`  ? ${name}: one of the backups does not have it`]
  const facts = [
    ...(renamedFrom === null ? [] : [`was called ${renamedFrom}`]),
    ...(recreated ? ['another collection of the same name'] : []),
    ...(definition.length === 0 ? [] : [`${definition.join(', ')} changed`]),
    ...recordsText(collection),
  ]
  return [
    `  ~ ${name}: ${facts.join('; ')}`,
    ...line('+', examples.added, collection.added),
    ...line('~', examples.changed, collection.changed),
    ...line('-', examples.removed, collection.removed),
  ]
}

function recordsText({ added, removed, changed, changedPayloads, changedVectors }: CollectionDiff): string[] {
  if (added + removed + changed === 0) return []
  const what =
    changed === 0 ? '' : ` (${plural(changedPayloads, 'payload')}, ${plural(changedVectors, 'vector')})`
  return [`records: ${added} added, ${changed} changed${what}, ${removed} removed`]
}

function line(sign: string, ids: readonly string[], all: number): string[] {
  if (ids.length === 0) return []
  const more = all > ids.length ? `, and ${all - ids.length} more` : ''
  return [`      ${sign} ${ids.join(', ')}${more}`]
}
