import { spawn } from 'node:child_process'
import { cp, mkdir, mkdtemp, readFile, rm, symlink } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'

import { afterAll, beforeAll, expect, test } from '@jest/globals'

import { builtCli } from './helpers/built-cli.js'
import { startChroma, type TestChroma } from './helpers/chroma-server.js'
import { consoleCommands, masked } from './helpers/console-blocks.js'
import { Capture, runCli } from './helpers/run-cli.js'

const root = path.resolve(import.meta.dirname, '..')
const documented = await readFile(path.join(root, 'docs', 'migrations.md'), 'utf8')
let folder: string
let chroma: TestChroma

beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'chroma-ops-tutorial-'))
  const cli = await builtCli()
  await mkdir(path.join(folder, 'node_modules'))
  await symlink(path.dirname(path.dirname(cli)), path.join(folder, 'node_modules', 'chroma-ops'))
  await symlink(path.join(root, 'node_modules', 'chromadb'), path.join(folder, 'node_modules', 'chromadb'))
  await cp(path.join(root, 'examples'), path.join(folder, 'examples'), { recursive: true })
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
  const [program, ...words] = text.split(' ')
  const output = program === 'chroma-ops' ? await chromaOps(words) : await inShell(text)
  return output.replaceAll(chroma.url, 'http://127.0.0.1:8000').trimEnd()
}

async function chromaOps(words: readonly string[]): Promise<string> {
  // Nothing that only a shell understands.
  expect(words.join(' ')).not.toMatch(/["'$|<>;&*]/)
  const terminal = new Capture()
  await runCli(words, {
    cwd: path.join(folder, 'examples', 'migrations'),
    environment: {
      CHROMA_OPS_ACTOR: 'ada',
      CHROMA_OPS_STATE_DIR: path.join(folder, 'state'),
      CHROMA_OPS_CACHE_DIR: path.join(folder, 'cache'),
    },
    stdout: terminal,
    stderr: terminal,
  })
  return terminal.text
}

async function inShell(text: string): Promise<string> {
  const child = spawn('sh', ['-c', `${text} 2>&1`], {
    cwd: path.join(folder, 'examples', 'migrations'),
    env: { PATH: `${path.dirname(process.execPath)}:${process.env['PATH'] ?? ''}` },
    stdio: ['ignore', 'pipe', 'ignore'],
  })
  let output = ''
  child.stdout.on('data', (piece: Buffer) => (output += piece.toString()))
  await new Promise((resolve) => child.once('close', resolve))
  return output
}
