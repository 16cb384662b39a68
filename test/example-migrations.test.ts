import { spawn } from 'node:child_process'
import { chmod, cp, mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'

import { afterAll, beforeAll, expect, test } from '@jest/globals'

import { builtCli } from './helpers/built-cli.js'
import { startChroma, type TestChroma } from './helpers/chroma-server.js'
import { consoleCommands, masked } from './helpers/console-blocks.js'

const root = path.resolve(import.meta.dirname, '..')
const documented = await readFile(path.join(root, 'docs', 'migrations.md'), 'utf8')
let folder: string
let chroma: TestChroma

beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'chroma-ops-tutorial-'))
  const cli = await builtCli()
  await mkdir(path.join(folder, 'node_modules'))
  await mkdir(path.join(folder, 'bin'))
  await symlink(path.dirname(path.dirname(cli)), path.join(folder, 'node_modules', 'chroma-ops'))
  await symlink(path.join(root, 'node_modules', 'chromadb'), path.join(folder, 'node_modules', 'chromadb'))
  await cp(path.join(root, 'examples'), path.join(folder, 'examples'), { recursive: true })
  const command = path.join(folder, 'bin', 'chroma-ops')
  await writeFile(command, `#!/bin/sh\nexec '${process.execPath}' '${cli}' "$@"\n`)
  await chmod(command, 0o755)
  chroma = await startChroma()
})

afterAll(async () => {
  await chroma.stop()
  await rm(folder, { recursive: true, force: true })
})

test('what the tutorial of migrations shows is what happens', async () => {
  const commands = consoleCommands(documented)
  expect(commands.length).toBeGreaterThan(10)
  for (const { command, output } of commands) {
    const actual = `$ ${command}\n${await run(command)}`
    expect(masked(actual)).toBe(masked(`$ ${command}\n${output}`))
  }
}, 120_000)

/** What a terminal shows. */
async function run(command: string): Promise<string> {
  const text = command.replaceAll('http://127.0.0.1:8000', chroma.url)
  const child = spawn('sh', ['-c', `${text} 2>&1`], {
    cwd: path.join(folder, 'examples', 'migrations'),
    env: {
      PATH: `${path.join(folder, 'bin')}:${path.dirname(process.execPath)}:${process.env['PATH'] ?? ''}`,
      CHROMA_OPS_ACTOR: 'ada',
      CHROMA_OPS_STATE_DIR: path.join(folder, 'state'),
      CHROMA_OPS_CACHE_DIR: path.join(folder, 'cache'),
    },
    stdio: ['ignore', 'pipe', 'ignore'],
  })
  let output = ''
  child.stdout.on('data', (piece: Buffer) => (output += piece.toString()))
  await new Promise((resolve) => child.once('close', resolve))
  return output.replaceAll(chroma.url, 'http://127.0.0.1:8000').trimEnd()
}
