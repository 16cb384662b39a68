import { execFile } from 'node:child_process'
import { readdir, readFile } from 'node:fs/promises'
import path from 'node:path'
import { promisify } from 'node:util'

import { expect, test } from '@jest/globals'
import { parseAllDocuments } from 'yaml'

import { loadConfigFile } from '../../src/config/config-file.js'
import { Settings } from '../../src/config/settings.js'
import { ExitCode } from '../../src/core/exit-code.js'

const root = path.resolve(import.meta.dirname, '../..')
const folder = path.join(root, 'examples', 'deploy')
const read = (name: string) => readFile(path.join(folder, name), 'utf8')
const namesIn = (text: string) => new Set(text.match(/chroma_ops_[a-z_]+/g) ?? [])

test('every file of YAML can be read', async () => {
  const files = (await readdir(folder)).filter((name) => name.endsWith('.yaml'))
  expect(files.length).toBeGreaterThan(3)
  for (const file of files)
    for (const document of parseAllDocuments(await read(file)))
      if ('errors' in document) expect(document.errors).toEqual([])
})

test('the configuration is valid', async () => {
  const file = path.join(folder, 'chroma-ops.config.yaml')
  const loaded = await loadConfigFile({ path: file, profile: null, cwd: root, uid: null })
  expect(new Settings({ flags: new Map(), environment: {}, file: loaded }).file?.path).toBe(file)
})

test('every metric of a rule is documented, and every documented one is given', async () => {
  const documented = namesIn(await readFile(path.join(root, 'docs', 'monitoring.md'), 'utf8'))
  for (const name of namesIn(await read('alerts.yaml'))) expect([...documented]).toContain(name)
  const sources = await Promise.all(
    ['src/schedule/schedule-metrics.ts', 'src/commands/status-metrics.ts'].map((file) =>
      readFile(path.join(root, file), 'utf8'),
    ),
  )
  const given = sources
    .flatMap((text) => [...text.matchAll(/(?:gauge|counter)\(\s*'(\w+)'|^ {2}(backup_\w+):/gm)])
    .map(([, call, figure]) => `chroma_ops_${call ?? figure ?? ''}`)
  expect([...documented].sort()).toEqual([...new Set(given)].sort())
})

test.each(['restore', 'migrate'])('the job for %s is not repeated for exit codes that stay', async (job) => {
  const text = await read(`kubernetes-${job}-job.yaml`)
  const listed = /values: \[([\d, ]+)\]/.exec(text)?.[1]?.split(', ') ?? []
  expect(listed).toContain(String(ExitCode.undecided))
  const known: readonly string[] = Object.values(ExitCode).map(String)
  expect(listed.filter((code) => !known.includes(code))).toEqual([])
  for (const code of [ExitCode.locked, ExitCode.unreachable, ExitCode.timeout])
    expect(listed).not.toContain(String(code))
})

test('systemd accepts the service, where it is', async () => {
  const run = promisify(execFile)
  const file = path.join(folder, 'chroma-ops.service')
  const outcome = await run('systemd-analyze', ['verify', '--man=no', file]).catch((error: unknown) => error)
  const text =
    typeof outcome === 'object' && outcome !== null && 'stderr' in outcome ? String(outcome.stderr) : ''
  // Where chroma-ops is not installed, that is all it may complain of.
  expect(
    text.split('\n').filter((line) => line.includes(folder) && !line.includes('is not executable')),
  ).toEqual([])
})
