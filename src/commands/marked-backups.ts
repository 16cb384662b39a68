import type { Hold, LaterTags, withLaterTags } from '../backup/backup-marks.js'
import type { BackupHead } from '../backup/manifest.js'
import type { Repository } from '../backup/repository.js'
import type { CommandContext } from './context.js'
import { shownHead } from './repository-command.js'

/** What was said about backups since they were made. */
export interface BackupMarks {
  /** Those that hold now. */
  readonly holds: ReadonlyMap<string, Hold>
  readonly tags: ReadonlyMap<string, { readonly tags: LaterTags }>
  readonly verified: ReadonlySet<string>
  readonly merge: typeof withLaterTags
}

export async function readBackupMarks(
  repository: Repository,
  { signal, host }: CommandContext,
): Promise<BackupMarks> {
  const marks = await import('../backup/backup-marks.js')
  const holds = await marks.readMarks(repository, marks.HOLD, signal)
  return {
    holds: new Map([...holds].filter(([, hold]) => marks.isHeld(hold, host.now()))),
    tags: await marks.readMarks(repository, marks.LATER_TAGS, signal),
    verified: await marks.listMarked(repository, marks.VERIFIED, signal),
    merge: marks.withLaterTags,
  }
}

/** A manifest with the tags as they are now, its hold, and whether all of it was verified once. */
export function shownWithMarks(
  head: BackupHead,
  { holds, tags, verified, merge }: BackupMarks,
): Omit<BackupHead, 'contents'> & { readonly hold: Hold | null; readonly verified: boolean } {
  return {
    ...shownHead(head),
    tags: merge(head.tags, tags.get(head.id)?.tags),
    hold: holds.get(head.id) ?? null,
    verified: head.type === 'physical' || verified.has(head.id),
  }
}
