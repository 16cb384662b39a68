import { expect } from '@jest/globals'

import type { Host } from '../../src/commands/host.js'
import { documentOf, runCli } from './run-cli.js'

/** How a command is expected to fail; texts are parts of what it says. */
export interface Failure {
  readonly exitCode: number
  readonly code: string
  readonly message: string
  /** Absent: whatever it is. */
  readonly hint?: string
}

/** Flags for tests that do not want to wait for what will not come. */
export const impatient = ['--max-retries', '0', '--connect-timeout', '3s']
/** Flags for tests in which the server is away for a moment. */
export const quickRetries = ['--retry-base-delay', '20ms', '--retry-max-delay', '300ms']

/**
 * Runs the command twice, with and without `--json`, and expects the same failure: one document on stdout, or
 * nothing there and lines on stderr.
 */
export async function expectFailure(
  args: readonly string[],
  failure: Failure,
  host: Partial<Host> = {},
): Promise<void> {
  await expectJsonFailure(args, failure, host)
  const text = await runCli(args, host)
  expect(text).toMatchObject({ exitCode: failure.exitCode, stdout: '' })
  expect(text.stderr).toMatch(/^error: /m)
  expect(text.stderr).toContain(failure.message)
  expect(text.stderr).toContain(failure.hint ?? '')
}

/** Runs the command once, with `--json`; for what cannot happen twice. */
export async function expectJsonFailure(
  args: readonly string[],
  { exitCode, code, message, hint }: Failure,
  host: Partial<Host> = {},
): Promise<void> {
  const run = await runCli([...args, '--json'], host)
  const document = documentOf(run)
  expect(Object.keys(document)).toEqual(['error'])
  expect(document).toMatchObject({
    error: {
      code,
      exitCode,
      message: expect.stringContaining(message),
      ...(hint !== undefined && { hint: expect.stringContaining(hint) }),
    },
  })
  expect(run.exitCode).toBe(exitCode)
}

/** Runs the command with `--json` and returns its document; fails the test unless it ends with `exitCode`. */
export async function runJson(
  args: readonly string[],
  exitCode = 0,
  host: Partial<Host> = {},
): Promise<Record<string, unknown>> {
  const run = await runCli([...args, '--json'], host)
  if (run.exitCode !== exitCode)
    throw new Error(
      `${args.join(' ')} ended with ${run.exitCode}, not ${exitCode}:\n${run.stdout}${run.stderr}`,
    )
  return documentOf(run)
}
