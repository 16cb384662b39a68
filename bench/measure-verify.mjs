import { spawnSync } from 'node:child_process'
import { readdir, rm } from 'node:fs/promises'
import { join } from 'node:path'

import { library, silent } from './library.mjs'
import { backup } from './measure-read.mjs'
import { interleave, speedRatio, spread } from './rounds.mjs'

/** `verify` of every stored byte, against `sha256sum` on the same files. Both read from the page cache. */
export async function measureVerify({ report, server, size, rounds, folder, note }) {
  if (spawnSync('sha256sum', ['--version']).status !== 0) {
    report.note('verify: not measured, there is no sha256sum')
    return
  }
  const { repository, place, summary } = await backup({ url: server.url, folder, keep: true })
  try {
    const files = await filesBelow(place)
    let bytes = 0
    const seconds = await interleave({
      rounds,
      note,
      contestants: {
        verify: async () => {
          const verified = await library.verifyBackup({ repository, head: summary.head, progress: silent })
          if (verified.exitCode !== 0) throw new Error('the backup is damaged')
          bytes = verified.objects.bytes
        },
        sha256sum: async () => {
          const { status } = spawnSync('sha256sum', files, { stdio: 'ignore' })
          if (status !== 0) throw new Error('sha256sum failed')
        },
      },
    })
    report.add({
      name: `${size.label}: verify / sha256sum`,
      unit: 'ratio',
      ...speedRatio(seconds.verify, seconds.sha256sum),
      target: '≥ 1',
      detail: `${Math.round(bytes / 1e6 / spread(seconds.verify).median)} MB/s`,
      samples: seconds,
    })
  } finally {
    await rm(place, { recursive: true, force: true })
  }
}

async function filesBelow(folder) {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true })
  return entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name))
}
