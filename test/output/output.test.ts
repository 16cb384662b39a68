import { Writable } from 'node:stream'

import { describe, expect, test } from '@jest/globals'

import { GuardError, UsageError } from '../../src/core/errors.js'
import { createOutput } from '../../src/output/create-output.js'
import { jsonText } from '../../src/output/json-text.js'
import type { Output, Reporting } from '../../src/output/output.js'
import { Capture } from '../helpers/run-cli.js'

const plain: Reporting = {
  format: 'text',
  quiet: false,
  verbose: false,
  color: true,
  progress: true,
  logFormat: 'text',
}

async function open(reporting: Partial<Reporting> = {}, terminal = false) {
  const stdout = new Capture(terminal)
  const stderr = new Capture(terminal)
  const output: Output = await createOutput({
    streams: { stdout, stderr },
    reporting: { ...plain, ...reporting },
    runId: 'r1',
    now: () => 0,
  })
  return { output, stdout, stderr }
}

describe('as text', () => {
  test('the result goes to stdout, everything else to stderr', async () => {
    const { output, stdout, stderr } = await open()
    output.note('working')
    output.warn({ code: 'W', message: 'look out' })
    output.result({ records: 3 }, ({ records }) => `${records} records`)
    await output.end()
    expect(stdout.text).toBe('3 records\n')
    expect(stderr.text).toBe('working\nwarning: look out\n')
  })

  test('a failure is its message and its hint, without a stack', async () => {
    const { output, stdout, stderr } = await open()
    output.failure(new GuardError('EMPTY', 'nothing there', { hint: 'give --allow-empty' }))
    await output.end()
    expect([stdout.text, stderr.text]).toEqual(['', 'error: nothing there\nhint: give --allow-empty\n'])
  })

  test('a bug is told with its stack and its causes', async () => {
    const { output, stderr } = await open()
    output.failure(new TypeError('x is undefined', { cause: new Error('deeper') }))
    expect(stderr.text).toContain('internal error: TypeError: x is undefined\n')
    expect(stderr.text).toContain('output.test.ts')
    expect(stderr.text).toContain('caused by: deeper')
    expect(stderr.text).toContain('hint: this is a bug')
  })

  test('--quiet leaves warnings and errors', async () => {
    const { output, stderr } = await open({ quiet: true })
    output.note('working')
    output.detail('more')
    output.warn({ code: 'W', message: 'look out' })
    expect(stderr.text).toBe('warning: look out\n')
  })

  test('--verbose adds details and the causes of expected failures', async () => {
    const { output, stderr } = await open({ verbose: true })
    output.detail('more')
    output.failure(new UsageError('no', { cause: new Error('because') }))
    expect(stderr.text).toBe('more\nerror: no\ncaused by: because\n')
  })

  test('colours only on a terminal, and only if wanted', async () => {
    const wanted = await open({}, true)
    wanted.output.failure(new UsageError('no'))
    expect(wanted.stderr.text).toContain('\u001b[31merror:')
    const unwanted = await open({ color: false }, true)
    unwanted.output.failure(new UsageError('no'))
    expect(unwanted.stderr.text).toBe('error: no\n')
  })

  test('a dumb terminal gets no bars', async () => {
    const shown = async (dumb: boolean) => {
      const { output, stderr } = await open({ dumb }, true)
      output.update({ task: 'docs', phase: 'read', done: 1, total: 2, unit: 'records', bytes: 3 })
      await output.end()
      return stderr.text
    }
    expect(await shown(false)).toContain('\u001b')
    expect(await shown(true)).not.toContain('\u001b')
  })

  test('names from elsewhere cannot act on the terminal', async () => {
    const { output, stdout, stderr } = await open()
    output.warn({ code: 'W', message: 'a\u001b[2Jb' })
    output.result({}, () => 'c\u001b]0;title\u0007')
    expect(stderr.text).toBe('warning: a\\x1b[2Jb\n')
    expect(stdout.text).toBe('c\\x1b]0;title\\x07\n')
  })

  test('a hidden text is masked in messages and errors', async () => {
    const { output, stderr } = await open()
    output.hide('s3cret-token')
    output.note('sent s3cret-token')
    output.failure(new UsageError('bad s3cret-token'))
    expect(stderr.text).toBe('sent ***\nerror: bad ***\n')
  })
})

describe('as JSON', () => {
  test('one document, written at the end', async () => {
    const { output, stdout, stderr } = await open({ format: 'json' })
    output.result({ records: 3n, at: new Date(0), tags: new Map([['a', 'b']]) }, () => 'unused')
    expect(stdout.text).toBe('')
    await output.end()
    expect(stdout.text).toBe('{"records":3,"at":"1970-01-01T00:00:00.000Z","tags":{"a":"b"}}\n')
    expect(stderr.text).toBe('')
  })

  test('a failure takes the place of a result', async () => {
    const { output, stdout } = await open({ format: 'json' })
    output.result({ records: 3 }, () => 'unused')
    output.failure(new GuardError('EMPTY', 'nothing there', { hint: 'give --allow-empty' }))
    await output.end()
    expect(JSON.parse(stdout.text)).toEqual({
      error: { code: 'EMPTY', message: 'nothing there', hint: 'give --allow-empty', exitCode: 15 },
    })
  })

  test('the stack of a bug is on stderr and not in the document', async () => {
    const { output, stdout, stderr } = await open({ format: 'json' })
    output.failure(new TypeError('oops'))
    await output.end()
    expect(JSON.parse(stdout.text)).toMatchObject({
      error: { code: 'INTERNAL', message: 'TypeError: oops', exitCode: 1 },
    })
    expect(stdout.text).not.toContain('output.test')
    expect(stderr.text).toContain('output.test')
  })

  test('a hidden text is masked in the document of an error', async () => {
    const { output, stdout } = await open({ format: 'json' })
    output.hide('s3cret-token')
    output.failure(new UsageError('bad s3cret-token', { hint: 'not s3cret-token' }))
    await output.end()
    expect(stdout.text).not.toContain('s3cret')
  })

  test('integers keep their value: beyond 2^53 they are text', () => {
    expect(jsonText({ a: 9007199254740991n, b: 9007199254740993n, c: Number.NaN, d: undefined })).toBe(
      '{"a":9007199254740991,"b":"9007199254740993","c":null}',
    )
  })
})

describe('logs', () => {
  test('each message is a JSON line with level, time and run id', async () => {
    const { output, stderr } = await open({ logFormat: 'json', verbose: true })
    output.hide('s3cret-token')
    output.note('sent s3cret-token')
    output.detail('more')
    output.warn({ code: 'W', message: 'look out' })
    output.failure(new UsageError('no'))
    const lines = stderr.text
      .trim()
      .split('\n')
      .map((line): unknown => JSON.parse(line))
    expect(lines).toMatchObject([
      { level: 'info', run: 'r1', msg: 'sent ***' },
      { level: 'debug', run: 'r1', msg: 'more' },
      { level: 'warn', run: 'r1', code: 'W', msg: 'look out' },
      { level: 'error', run: 'r1', code: 'USAGE', exitCode: 2, msg: 'no' },
    ])
    await output.end()
  })
})

describe('stdout that does not take the result', () => {
  function failing(code: string): Writable {
    const stream = new Writable({
      write(_piece, _encoding, done) {
        done(Object.assign(new Error(code), { code }))
      },
    })
    return stream.on('error', () => {})
  }

  async function write(stdout: Writable): Promise<Output> {
    const streams = { stdout, stderr: new Capture() }
    const output = await createOutput({ streams, reporting: plain, runId: 'r', now: () => 0 })
    output.result({}, () => 'text')
    return output
  }

  test('a full disk is an error', async () => {
    const output = await write(failing('ENOSPC'))
    await expect(output.end()).rejects.toThrow('ENOSPC')
  })

  test('a reader that left is none, and is noticed', async () => {
    const output = await write(failing('EPIPE'))
    await output.end()
    expect(output.readerLeft).toBe(true)
  })
})
