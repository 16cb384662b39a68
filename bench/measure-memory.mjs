import { spawn } from 'node:child_process'
import { readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'

import { deleteCollection } from './raw-http.mjs'
import { cli } from './measure-start.mjs'

const peakMemory = new URL('./peak-memory.mjs', import.meta.url).href

/** Peak resident memory of real processes: backup, verify and restore with its comparison, on the command line. */
export async function measureMemory({ report, server, size, collection, folder, client }) {
  const repository = join(folder, 'memory-repository')
  const runs = {
    backup: ['backup', '--repo', repository, '--init', '--url', server.url],
    verify: ['backup', 'verify', '--repo', repository],
    restore: [
      'restore',
      'latest',
      '--repo',
      repository,
      '--url',
      server.url,
      '--rename',
      `${collection.name}=restored`,
    ],
  }
  try {
    for (const [name, args] of Object.entries(runs)) {
      const { bytes, seconds } = await peakOf(args, folder)
      const megabytes = bytes / 1e6
      report.add({
        name: `${size.label}: peak memory of ${name}`,
        unit: 'MB',
        min: megabytes,
        median: megabytes,
        max: megabytes,
        target: '< 250',
        detail: `${seconds.toFixed(1)} s`,
      })
    }
    await deleteCollection(client, 'restored')
  } finally {
    await rm(repository, { recursive: true, force: true })
  }
}

/** Runs the command line; rejects unless it ends with 0. */
export async function peakOf(args, folder) {
  const file = join(folder, 'peak')
  const env = {
    ...process.env,
    BENCH_PEAK_FILE: file,
    CHROMA_OPS_STATE_DIR: join(folder, 'state'),
    CHROMA_OPS_CACHE_DIR: join(folder, 'cache'),
  }
  const started = performance.now()
  const child = spawn(process.execPath, ['--import', peakMemory, cli, ...args, '--quiet'], {
    env,
    stdio: ['ignore', 'ignore', 'inherit'],
  })
  const exitCode = await new Promise((resolve, reject) => child.once('error', reject).once('close', resolve))
  if (exitCode !== 0) throw new Error(`chroma-ops ${args.join(' ')} ended with ${exitCode}`)
  return { bytes: Number(await readFile(file, 'utf8')), seconds: (performance.now() - started) / 1000 }
}
