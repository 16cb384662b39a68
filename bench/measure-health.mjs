import { execFileSync } from 'node:child_process'
import { cp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { library, silent } from './library.mjs'
import { interleave, spread } from './rounds.mjs'

/**
 * The check of a data directory without a server (level ready) against reading its files once with `cat`: from the
 * disk, and from the page cache. On a copy, which no server holds.
 */
export async function measureHealth({ report, size, rounds, folder, note }) {
  const directory = join(folder, 'health')
  await cp(join(folder, 'chroma'), directory, { recursive: true })
  try {
    const files = await filesOf(directory)
    execFileSync('sync', ['-f', directory])
    const contestants = {
      'cat cold': () => timed(files, 'cold', () => readAll(files)),
      'health cold': () => timed(files, 'cold', () => check(directory)),
      'cat warm': () => timed(files, 'warm', () => readAll(files)),
      'health warm': () => timed(files, 'warm', () => check(directory)),
    }
    const seconds = await interleave({ rounds, note, contestants })
    for (const state of ['cold', 'warm']) {
      const [ours, theirs] = [seconds[`health ${state}`], seconds[`cat ${state}`]]
      report.add({
        name: `${size.label}: health of the directory / cat, ${state}`,
        unit: 'ratio',
        ...spread(ours.map((value, round) => value / theirs[round])),
        target: state === 'cold' ? '<= 3 at 1 GB' : '',
        detail: `${spread(ours).median.toFixed(2)} s, cat ${spread(theirs).median.toFixed(2)} s`,
        samples: { ours, theirs },
      })
    }
  } finally {
    await rm(directory, { recursive: true, force: true })
  }
}

async function filesOf(directory) {
  const entries = await readdir(directory, { recursive: true, withFileTypes: true })
  return entries
    .filter((entry) => entry.isFile() && /\.(sqlite3|bin|pickle)$/.test(entry.name))
    .map((entry) => join(entry.parentPath, entry.name))
}

/** Seconds of `work`, after the files have been read, or dropped from the page cache (GNU dd). */
async function timed(files, state, work) {
  if (state === 'warm') readAll(files)
  else for (const file of files) execFileSync('dd', [`if=${file}`, 'iflag=nocache', 'count=0', 'status=none'])
  const started = performance.now()
  await work()
  return (performance.now() - started) / 1000
}

function readAll(files) {
  execFileSync('sh', ['-c', 'cat "$@" > /dev/null', 'sh', ...files])
}

async function check(directory) {
  const { status } = await library.checkDirectory({
    path: directory,
    level: 'ready',
    tempDir: tmpdir(),
    progress: silent,
  })
  if (status !== 'ok') throw new Error(`the directory is ${status}`)
}
