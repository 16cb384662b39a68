import { Command } from 'commander'

import type { FindReport } from '../backup/find-records.js'
import type { Repository } from '../backup/repository.js'
import { catalogue } from '../config/catalogue.js'
import {
  parseCollectionPattern,
  selectCollections,
  unmatchedPatterns,
  type CollectionSelection,
} from '../core/collection-pattern.js'
import { ExitCode } from '../core/exit-code.js'
import { displayName, type CollectionDefinition, type CollectionName } from '../core/records.js'
import type { ErasureProof } from '../datadir/erase-proof.js'
import { withAudit } from './audit.js'
import { sqliteTempDir } from './cleanup-target.js'
import { act } from './command.js'
import type { CommandContext, Launcher } from './context.js'
import { describeErasure, type Erasure, type ErasureHolding } from './describe-erase.js'
import { idsOf, type IdFlags } from './ids.js'
import { repeated } from './parse.js'
import { openOwnRepository } from './repository-command.js'
import { targetDirectory } from './target.js'

interface Flags extends IdFlags {
  readonly collection?: readonly string[]
  readonly apply?: boolean
  readonly serverStopped?: boolean
}

export function eraseCommand(launcher: Launcher): Command {
  const command = new Command('erase')
    .description('delete records and their text for good; tells what it would do unless --apply is given')
    .addOption(repeated('--id <id>', 'the record; can be repeated'))
    .option('--ids-file <file>', 'a file with an id on each line, or a JSON array of ids')
    .addOption(repeated('--collection <pattern>', 'only from these: [[tenant/]database/]name with * and ?'))
    .option('--server-stopped', 'with --path: no server runs on the directory, though that cannot be seen')
    .option('--apply', 'erase; there is no way back')
  return act(command, launcher, async (context) => {
    await erase(context, command.opts<Flags>())
  })
}

/** What was done, or would be, in a server or a directory. */
interface Outcome {
  readonly target: string
  readonly holdings: readonly ErasureHolding[]
  /** Every collection that was looked into. */
  readonly collections: readonly CollectionDefinition[]
  readonly proof: ErasureProof | null
  /** Records that are still there afterwards. */
  readonly left: number
}

async function erase(context: CommandContext, flags: Flags): Promise<void> {
  const apply = flags.apply === true
  if (apply) context.changes('erase')
  const ids = await idsOf(flags)
  const repository = context.settings.value(catalogue.repo) === null ? null : await openOwnRepository(context)
  const work = async (): Promise<Erasure> => {
    const directory = targetDirectory(context)
    const outcome =
      directory === null
        ? await onServer(context, flags, ids, apply)
        : await inDirectory(context, flags, ids, directory, apply)
    const found = repository === null ? null : await inBackups(context, repository, ids, flags)
    if (apply && repository !== null && found !== null)
      await record(context, repository, ids, collectionsOf(outcome, found))
    return {
      applied: apply,
      target: outcome.target,
      kind: directory === null ? 'server' : 'directory',
      ids: ids.length,
      collections: outcome.holdings,
      notFound: ids.length - new Set(outcome.holdings.flatMap(({ records }) => records)).size,
      proof: outcome.proof,
      left: outcome.left,
      repository: repository?.store.displayUrl ?? null,
      recorded: apply && repository !== null,
      backups: (found?.backups ?? []).map((backup) => ({ ...backup, expires: null })),
      unsearched: found?.unsearched ?? [],
    }
  }
  const details = { ids: ids.length, collections: flags.collection ?? [] }
  const audited = { repository, command: 'erase', details }
  const result = apply ? await withAudit(context, audited, work, auditResult) : await work()
  context.finish(exitCodeOf(result))
  context.output.result(result, describeErasure)
}

function auditResult({ target, collections, proof, left }: Erasure) {
  const records = collections.reduce((sum, each) => sum + each.records.length, 0)
  return { target, records, left, clean: proof?.clean ?? null }
}

function exitCodeOf({ applied, proof, left }: Erasure): ExitCode {
  if (!applied) return ExitCode.ok
  return proof?.clean === false || left > 0 ? ExitCode.critical : ExitCode.ok
}

async function onServer(
  context: CommandContext,
  flags: Flags,
  ids: readonly string[],
  apply: boolean,
): Promise<Outcome> {
  const { signal, output } = context
  const [{ ServerSource }, { eraseFromServer, findOnServer }] = await Promise.all([
    import('../chroma/server-source.js'),
    import('../transfer/erase-from-server.js'),
  ])
  const api = await context.openServer()
  const { tenants, databases } = await context.scope()
  const tempDir = await context.tempDir()
  const source = new ServerSource({ api, scope: { tenants, databases }, tempDir })
  context.onClose(() => source.close())
  const collections = await chosen(flags, await source.listCollections(signal))
  const job = { api, collections, ids, progress: output, signal }
  const { holdings, left } = apply
    ? await eraseFromServer(job)
    : { holdings: await findOnServer(job), left: 0 }
  return {
    target: api.transport.displayUrl,
    collections,
    holdings: holdings.map((holding) => ({ ...holding, logRows: null, vectors: null })),
    proof: null,
    left,
  }
}

async function inDirectory(
  context: CommandContext,
  flags: Flags,
  ids: readonly string[],
  directory: string,
  apply: boolean,
): Promise<Outcome> {
  const { signal } = context
  const [{ openDataDirectory }, { eraseFromDirectory, planDirectoryErasure }] = await Promise.all([
    import('../datadir/data-directory.js'),
    import('../datadir/erase-directory.js'),
  ])
  const tempDir = await context.tempDir()
  const data = await openDataDirectory(directory, { tempDir })
  const there = inScope(context, data.collections())
  data.close()
  const collections = await chosen(flags, there)
  const names = new Set(collections.map(displayName))
  const doomed: ReadonlySet<string> = new Set(ids)
  const none: ReadonlySet<string> = new Set()
  const idsIn = (name: CollectionName) => (names.has(displayName(name)) ? doomed : none)
  const job = { directory, idsIn, signal }
  if (!apply) {
    const holdings = await planDirectoryErasure({ ...job, tempDir })
    return { target: directory, collections, holdings, proof: null, left: 0 }
  }
  const serverStopped = flags.serverStopped ?? false
  const { collections: holdings, proof } = await eraseFromDirectory({
    ...job,
    serverStopped,
    sqliteTempDir: sqliteTempDir(context),
  })
  return { target: directory, collections, holdings, proof, left: 0 }
}

/** All tenants of a directory, unless some are named: it is known which there are. */
function inScope(
  { settings }: CommandContext,
  collections: readonly CollectionDefinition[],
): readonly CollectionDefinition[] {
  const [tenants, databases] = [settings.value(catalogue.tenant), settings.value(catalogue.database)]
  return collections.filter(
    ({ tenant, database }) =>
      (tenants.length === 0 || tenants.includes(tenant)) &&
      (databases.length === 0 || databases.includes(database)),
  )
}

async function chosen(
  flags: Flags,
  collections: readonly CollectionDefinition[],
): Promise<readonly CollectionDefinition[]> {
  const selection: CollectionSelection = {
    include: (flags.collection ?? []).map(parseCollectionPattern),
    exclude: [],
  }
  const unmatched = unmatchedPatterns(selection.include, collections)
  if (unmatched.length > 0) {
    const { CollectionNotFoundError } = await import('../chroma/errors.js')
    throw new CollectionNotFoundError(
      unmatched.map(({ text }) => text),
      collections.map(displayName),
    )
  }
  return selectCollections(collections, selection)
}

async function inBackups(
  { output, signal }: CommandContext,
  repository: Repository,
  ids: readonly string[],
  { collection }: Flags,
): Promise<FindReport> {
  const { findRecords } = await import('../backup/find-records.js')
  return findRecords({ repository, ids, collections: collection, progress: output, signal })
}

/** Those that were looked into, and those of backups: they may have another id, or be gone by now. */
function collectionsOf({ collections }: Outcome, { backups }: FindReport) {
  const all = [...collections, ...backups.flatMap((backup) => backup.collections)]
  return [...new Map(all.map((each) => [`${displayName(each)} ${each.id}`, each])).values()]
}

async function record(
  { actor, host, signal }: CommandContext,
  repository: Repository,
  ids: readonly string[],
  collections: readonly (CollectionName & { readonly id: string })[],
): Promise<void> {
  const [{ recordErasure }, { listBackups, readableHeads }] = await Promise.all([
    import('../backup/erasures.js'),
    import('../backup/list-backups.js'),
  ])
  const backups = readableHeads(await listBackups(repository, { signal }))
  await recordErasure({ repository, ids, collections, backups, actor, now: host.now, signal })
}
