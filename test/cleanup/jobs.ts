import { tmpdir } from 'node:os'

import type { ApplyJob } from '../../src/cleanup/apply.js'
import { CLEANUP_TARGETS } from '../../src/cleanup/report.js'
import { defaultQuarantine } from '../../src/cleanup/run-record.js'
import type { UndoJob } from '../../src/cleanup/undo.js'

export function cleanupJob(directory: string, changes: Partial<ApplyJob> = {}): ApplyJob {
  return {
    directory,
    targets: CLEANUP_TARGETS,
    quarantine: defaultQuarantine(directory),
    sqliteTempDir: tmpdir(),
    via: null,
    now: () => new Date(),
    serverStopped: true,
    allowEmpty: false,
    requireBackup: async () => {},
    ...changes,
  }
}

export function undoJob(directory: string, changes: Partial<UndoJob> = {}): UndoJob {
  return { directory, quarantine: defaultQuarantine(directory), serverStopped: true, ...changes }
}
