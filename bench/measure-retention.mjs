import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { makeLargeRepository } from './large-repository.mjs'
import { peakOf } from './measure-memory.mjs'

const BACKUPS = 1_000
const OBJECTS = 50_000

/** Listing and pruning a large repository on local disk: time and peak memory of real runs of the command line. */
export async function measureRetention({ report, note }) {
  const folder = await mkdtemp(join(tmpdir(), 'chroma-ops-bench-retention-'))
  try {
    const repository = join(folder, 'repository')
    note(`making a repository of ${OBJECTS} objects`)
    await makeLargeRepository(repository, { backups: BACKUPS, objects: OBJECTS })
    const prune = ['backup', 'prune', '--keep-last', '100', '--keep-daily', '30', '--repo', repository]
    const runs = {
      'backup list': { args: ['backup', 'list', '--repo', repository], target: '< 2' },
      'prune (plan)': { args: prune },
      'prune --apply': { args: [...prune, '--apply'] },
      'prune --purge-now --apply': { args: [...prune, '--purge-now', '--apply'] },
    }
    for (const [name, { args, target }] of Object.entries(runs)) {
      note(name)
      const { bytes, seconds } = await peakOf(args, folder)
      const label = `${BACKUPS} backups, ${OBJECTS} objects: ${name}`
      const one = (value) => ({ min: value, median: value, max: value })
      report.add({ name: label, unit: 's', ...one(seconds), ...(target && { target }) })
      report.add({ name: `${label}, peak memory`, unit: 'MB', ...one(bytes / 1e6), target: '< 250' })
    }
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}
