import { JsonOutput } from './json-output.js'
import type { Messages, ProgressView } from './messages.js'
import type { Output, Reporting, Streams } from './output.js'
import { NoProgress, ProgressLines } from './progress-lines.js'
import { ResultStream } from './result-stream.js'
import { createStyle } from './style.js'
import { TextMessages } from './text-messages.js'
import { TextOutput } from './text-output.js'

/** Without a terminal, progress is a line this often. */
const LINE_EVERY = 30_000

export interface OutputJob {
  readonly streams: Streams
  readonly reporting: Reporting
  readonly runId: string
  /** Milliseconds, never going back. */
  readonly now: () => number
  /** Milliseconds between progress lines where there is no terminal. */
  readonly lineEvery?: number
}

export async function createOutput(job: OutputJob): Promise<Output> {
  const { streams, reporting } = job
  const messages = await createMessages(job)
  const stdout = new ResultStream(streams.stdout)
  const terminal = streams.stdout.isTTY === true
  if (reporting.format === 'json') return new JsonOutput(stdout, messages, terminal ? 2 : 0)
  const style = createStyle(reporting.color && terminal)
  if (reporting.format === 'text') return new TextOutput(stdout, messages, style)
  const { NagiosOutput } = await import('./nagios-output.js')
  return new NagiosOutput(stdout, messages, style)
}

async function createMessages({
  streams: { stderr },
  reporting,
  runId,
  now,
  lineEvery = LINE_EVERY,
}: OutputJob): Promise<Messages> {
  if (reporting.logFormat === 'json') {
    const { LogMessages } = await import('./log-messages.js')
    return new LogMessages(stderr, runId, reporting, lineEvery, now)
  }
  const style = createStyle(reporting.color && stderr.isTTY === true)
  return new TextMessages(await createView(), style, reporting)

  async function createView(): Promise<ProgressView> {
    if (reporting.quiet || !reporting.progress) return new NoProgress(stderr)
    if (stderr.isTTY !== true || reporting.dumb === true) return new ProgressLines(stderr, lineEvery, now)
    const { ProgressBars } = await import('./progress-bars.js')
    return new ProgressBars(stderr, now)
  }
}
