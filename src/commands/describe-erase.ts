import type { BackupHolding, UnsearchedBackup } from '../backup/find-records.js'
import { displayName, type CollectionName } from '../core/records.js'
import type { ErasureProof } from '../datadir/erase-proof.js'
import { bytes, grouped, instant, plural } from '../output/format.js'
import type { Style } from '../output/style.js'
import { describeUnsearched } from './backup-find.js'

/** What a collection holds, or held, of the records; counts are null where a server does not tell. */
export interface ErasureHolding extends CollectionName {
  readonly id: string
  readonly records: readonly string[]
  readonly logRows: number | null
  readonly vectors: number | null
}

/** The result of `erase`. */
export interface Erasure {
  readonly applied: boolean
  /** Address of the server, or path of the directory. */
  readonly target: string
  readonly kind: 'server' | 'directory'
  /** How many were named. */
  readonly ids: number
  readonly collections: readonly ErasureHolding[]
  /** Ids that no collection has. */
  readonly notFound: number
  readonly proof: ErasureProof | null
  /** Records that are still there, although they were deleted. */
  readonly left: number
  readonly repository: string | null
  /** Whether restores leave the records out from now on. */
  readonly recorded: boolean
  /** Backups that hold at least one of them. `expires`: null, they stay until somebody deletes them. */
  readonly backups: readonly (BackupHolding & { readonly expires: string | null })[]
  readonly unsearched: readonly UnsearchedBackup[]
}

export function describeErasure(erasure: Erasure, style: Style): string {
  const { applied, target, ids, collections, notFound } = erasure
  const records = collections.reduce((sum, holding) => sum + holding.records.length, 0)
  const head = applied
    ? `erased ${plural(records, 'record')} from ${target}`
    : `nothing has been changed; with --apply, ${plural(records, 'record')} would be erased from ${target}`
  return [
    head,
    ...collections.filter(holdsAny).map(holdingText),
    ...(notFound > 0 ? [`not there: ${grouped(notFound)} of ${plural(ids, 'id')}`] : []),
    ...proofLines(erasure, style),
    ...(applied
      ? []
      : ['there is no undo, and no copy is kept: make a backup before, if other records have none']),
    ...backupLines(erasure, style),
  ].join('\n')
}

function holdsAny({ records, logRows, vectors }: ErasureHolding): boolean {
  return records.length + (logRows ?? 0) + (vectors ?? 0) > 0
}

function holdingText({ records, logRows, vectors, ...name }: ErasureHolding): string {
  const files =
    logRows === null || vectors === null
      ? ''
      : `, ${plural(logRows, 'row')} of the write-ahead log, ${plural(vectors, 'vector')} in the index`
  return `  ${displayName(name)}: ${plural(records.length, 'record')}${files}`
}

function proofLines({ applied, kind, proof, left }: Erasure, style: Style): string[] {
  if (kind === 'server')
    return [
      ...(left > 0 ? [`${style.bad('still there:')} ${plural(left, 'record')} that was deleted`] : []),
      `${style.warning('careful:')} a server keeps texts of deleted records in its write-ahead log and in free pages of chroma.sqlite3;`,
      '  stop it and run erase with --path on its data directory to wipe them and to prove it',
    ]
  if (!applied) return ['  then free pages are wiped, and every file is searched for ids and texts']
  return proof === null ? [] : describeProof(proof, style)
}

function describeProof(
  { clean, files, bytes: size, patterns, shared, tooShort, residues }: ErasureProof,
  style: Style,
) {
  const searched = `${plural(patterns, 'id')} and pieces of text searched for in ${plural(files, 'file')}, ${bytes(size)}`
  return [
    clean
      ? `${style.good('nothing left:')} ${searched}`
      : `${style.bad('NOT everything is gone:')} ${searched}`,
    ...residues.map(
      ({ file, ids, texts }) => `  ${file}: ${plural(ids, 'id')}, ${plural(texts, 'piece')} of text`,
    ),
    ...(shared > 0
      ? [`  ${grouped(shared)} of them also occur in records that stay, and prove nothing`]
      : []),
    ...(tooShort > 0 ? [`  ${plural(tooShort, 'id')} or texts were too short to be searched for`] : []),
  ]
}

function backupLines(erasure: Erasure, style: Style): string[] {
  const { repository, backups, applied } = erasure
  if (repository === null)
    return [
      'backups were not looked at: name the repository with --repo, so that no restore brings them back',
    ]
  const will = applied ? 'restores leave them out from now on' : 'restores would leave them out'
  return [
    backups.length === 0
      ? `no backup in ${repository} holds them`
      : `${plural(backups.length, 'backup')} in ${repository} still ${backups.length === 1 ? 'holds' : 'hold'} them, and ${will}:`,
    ...backups.map((backup) => `  ${backupText(backup)}`),
    ...describeUnsearched(erasure, style),
  ]
}

function backupText({ backup, created, collections, expires }: Erasure['backups'][number]): string {
  const records = collections.reduce((sum, { ids }) => sum + ids.length, 0)
  const end = expires === null ? 'does not expire' : `expires ${instant(new Date(expires))}`
  return `${backup} of ${instant(new Date(created))}: ${plural(records, 'record')}; ${end}`
}
