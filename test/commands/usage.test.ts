import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'

import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'

import { documentOf, runCli } from '../helpers/run-cli.js'

let folder: string

beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'chroma-ops-usage-'))
})

afterAll(async () => {
  await rm(folder, { recursive: true })
})

/** What was written, the exit code, a part of the message, a part of the hint; null: it has none. */
const mistakes: readonly (readonly [string, number, string, string | null])[] = [
  ['bakcup', 2, "unknown command 'bakcup'", 'did you mean backup?'],
  ['--ulr x health', 2, "unknown option '--ulr'", 'did you mean --url?'],
  ['backup --colection x', 2, "unknown option '--colection'", 'did you mean --collection?'],
  ['backup lst', 2, 'unknown word "lst" after backup', 'did you mean list?'],
  ['backup create lst', 2, 'unknown word "lst" after backup create', 'takes no more words'],
  ['backup list now', 2, 'unknown word "now" after backup list', 'takes no more words'],
  ['backup show a b', 2, 'unknown word "b" after backup show', 'takes no more words'],
  ['repo chek', 2, "unknown command 'chek'", 'did you mean check?'],
  ['repo', 2, 'a command is missing', '--help'],
  ['restore', 2, "missing required argument 'backup'", 'see chroma-ops restore --help'],
  ['restore latest --mode add', 2, "argument 'add' is invalid", 'see chroma-ops restore --help'],
  ['backup list --bogus', 2, "unknown option '--bogus'", 'see chroma-ops backup list --help'],
  ['cleanup undo --apply', 2, "unknown option '--apply'", 'see chroma-ops cleanup undo --help'],
  ['restore latest --url', 2, '--url: "--json" is not the URL', 'for example'],
  ['restore latest --drop-old', 2, '--drop-old goes with --mode replace', null],
  ['restore latest --rename a', 2, '--rename: "a" is not of the form a=b', null],
  ['restore latest --rename a=b --rename a=c', 2, '"a" is given twice', null],
  ['backup --tag nothing --repo memory://tags --url http://127.0.0.1:1', 10, 'no repository', 'repo init'],
  ['backup', 2, 'no repository is named', '--repo'],
  ['backup --repo memory://none --init', 2, 'no server is named', '--url'],
  ['backup list --repo nowhere', 10, 'no repository at', 'repo init'],
  ['backup list --repo ftp://x', 2, '', ''],
  ['backup verify --sample 0 --repo x', 2, '--sample: "0" is not a share', '5%'],
  ['health', 2, 'no server is named', '--url'],
  [
    'health --url localhost:8000',
    2,
    '--url: "localhost:8000" is not the URL',
    'did you mean http://localhost:8000?',
  ],
  ['health --url http://x --cloud', 2, '--cloud and --url exclude each other', null],
  ['health --url http://x --watch', 2, '--watch has no end', ''],
  [
    'health --url http://x --connect-timeout 5',
    2,
    '--connect-timeout: "5" is not a duration',
    'add a unit: 5s',
  ],
  ['health --url http://x --pool-max 0', 2, '--pool-max: "0"', null],
  ['health --url http://x --token-file nowhere', 2, '--token-file', null],
  ['health --url http://x --ca-file nowhere', 2, '--ca-file', null],
  ['health --cloud', 2, '--cloud needs to know the tenant', '--tenant'],
  ['config show --config nowhere.yaml', 2, 'cannot read the configuration file', null],
  ['config show --profile prod', 2, 'no configuration file', '--config'],
  ['completion bsh', 2, "'bsh' is invalid", ''],
  ['explain nothing-of-the-kind', 10, 'nothing is known', ''],
]

describe.each(mistakes)('%s', (line, exitCode, message, hint) => {
  test(`is ${exitCode}, told in one JSON document, which is all of stdout`, async () => {
    const run = await runCli([...line.split(' '), '--json'], { cwd: folder })
    const { error } = documentOf(run)
    expect(error).toEqual({
      code: expect.any(String),
      message: expect.stringContaining(message),
      hint: hint === null ? null : expect.stringContaining(hint),
      exitCode,
    })
    expect(run.exitCode).toBe(exitCode)
  })
})

test('without --json the message and the hint are on stderr and stdout is empty', async () => {
  expect(await runCli(['backup', 'lst'])).toEqual({
    exitCode: 2,
    stdout: '',
    stderr: 'error: unknown word "lst" after backup\nhint: did you mean list?\n',
  })
})

test('a command that needs a subcommand shows its help on stderr', async () => {
  const { exitCode, stdout, stderr } = await runCli(['repo'])
  expect([exitCode, stdout]).toEqual([2, ''])
  expect(stderr).toContain('Usage: chroma-ops repo')
})

test('a monitoring plugin that cannot find out is UNKNOWN, 3', async () => {
  const { exitCode, stdout } = await runCli(['health', '--url', 'nonsense', '--format', 'nagios'])
  expect(exitCode).toBe(3)
  expect(stdout).toBe('CHROMA UNKNOWN - --url: "nonsense" is not the URL of a server\n')
})

test('a flag behind -- is a word', async () => {
  const { exitCode, stdout, stderr } = await runCli(['explain', '--', '--json'])
  expect([exitCode, stdout]).toEqual([10, ''])
  expect(stderr).toContain('error: nothing is known')
})

test('a misspelt variable is a warning', async () => {
  const { stderr } = await runCli(['config', 'show'], { environment: { CHROMA_OPS_RPEO: 'x' }, cwd: folder })
  expect(stderr).toBe('warning: CHROMA_OPS_RPEO is not a setting; did you mean CHROMA_OPS_REPO?\n')
})

describe('--read-only', () => {
  test.each(['backup', 'restore latest --url http://x', 'repo init', 'repo check'])(
    'refuses %s',
    async (line) => {
      const run = await runCli([...line.split(' '), '--repo', 'memory://read-only', '--read-only', '--json'])
      expect(documentOf(run)).toMatchObject({
        error: { code: 'READ_ONLY', exitCode: 15, message: expect.stringContaining('--read-only') },
      })
    },
  )

  test('from the environment too, and says so', async () => {
    const { exitCode, stderr } = await runCli(['repo', 'init', '--repo', 'memory://read-only'], {
      environment: { CHROMA_OPS_READ_ONLY: 'true' },
    })
    expect(exitCode).toBe(15)
    expect(stderr).toContain('hint: it is set by CHROMA_OPS_READ_ONLY')
  })
})

test.each([
  [{ CHROMA_OPS_URL: 'http://127.0.0.1:1' }, 'CHROMA_OPS_URL'],
  [{ CHROMA_OPS_CLOUD: 'true' }, 'CHROMA_OPS_CLOUD'],
])(
  'a destination of a restore that was not named on the command line is refused: %j',
  async (environment, name) => {
    const run = await runCli(['restore', 'latest', '--repo', 'memory://x', '--json'], { environment })
    expect(documentOf(run)).toMatchObject({
      error: { code: 'DESTINATION_NOT_NAMED', exitCode: 15, message: expect.stringContaining(name) },
    })
  },
)
