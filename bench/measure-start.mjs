import { spawnSync } from 'node:child_process'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

import { interleave, spread } from './rounds.mjs'

export const cli = fileURLToPath(new URL('../bin/chroma-ops.js', import.meta.url))

/** `chroma-ops --help` against a Node that runs an empty ES module. */
export async function measureStart({ report, note }) {
  const folder = await mkdtemp(join(tmpdir(), 'chroma-ops-bench-'))
  const empty = join(folder, 'empty.mjs')
  await writeFile(empty, '')
  try {
    const seconds = await interleave({
      rounds: 15,
      note,
      contestants: { help: async () => run(cli, '--help'), empty: async () => run(empty) },
    })
    const ratios = seconds.help.map((taken, round) => taken / seconds.empty[round])
    const milliseconds = Math.round(spread(seconds.help).median * 1000)
    report.add({
      name: 'chroma-ops --help / empty Node',
      unit: 'ratio',
      ...spread(ratios),
      target: '≤ 1.8',
      detail: `${milliseconds} ms`,
      samples: seconds,
    })
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

function run(...args) {
  const { status, stderr } = spawnSync(process.execPath, args, { stdio: ['ignore', 'ignore', 'pipe'] })
  if (status !== 0) throw new Error(`node ${args.join(' ')}: ${stderr}`)
}
