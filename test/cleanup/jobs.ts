import { tmpdir } from 'node:os'

import type { ApplyJob } from '../../src/cleanup/apply.js'
import { CLEANUP_TARGETS } from '../../src/cleanup/report.js'
import { defaultQuarantine } from '../../src/cleanup/run-record.js'
import type { UndoJob } from '../../src/cleanup/undo.js'
import { startChroma } from '../helpers/chroma-server.js'
import { LITTER_TENANTS } from '../helpers/littered-directory.js'
import { serverContents, type ServerContents } from '../helpers/server-contents.js'

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

/** What a real server says of a directory, with every vector. */
export async function contentsOf(directory: string): Promise<ServerContents> {
  const server = await startChroma({ directory })
  try {
    return await serverContents(server.url, LITTER_TENANTS)
  } finally {
    await server.halt()
  }
}
