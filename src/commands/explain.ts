import { Command } from 'commander'

import type { Explanation } from '../chroma/explain.js'
import { OpsError } from '../core/errors.js'
import { ExitCode } from '../core/exit-code.js'
import type { Style } from '../output/style.js'
import { act } from './command.js'
import type { Launcher } from './context.js'
import type { Host } from './host.js'

/** Enough for the log of a server; more would only say the same again. */
const MOST_BYTES = 16 * 1024 * 1024

/** Nothing in the text is a known failure of Chroma. */
export class NothingKnownError extends OpsError {
  override readonly code = 'NOTHING_KNOWN'
  override readonly exitCode = ExitCode.notFound
}

export function explainCommand(launcher: Launcher): Command {
  const command = new Command('explain')
    .description('say what an error of Chroma means and what to do about it')
    .argument('<text>', 'an error message or a part of a log; - reads stdin')
  return act(command, launcher, async ({ host, output }, text = '') => {
    const { explainError } = await import('../chroma/explain.js')
    const explanations = explainError(text === '-' ? await readAll(host.stdin) : text)
    if (explanations.length === 0) {
      throw new NothingKnownError('nothing is known about this text', {
        hint: 'give the whole message as the server logged it, in quotes',
      })
    }
    output.result({ explanations }, describe)
  })
}

function describe({ explanations }: { explanations: readonly Explanation[] }, style: Style): string {
  return explanations.map((explanation) => paragraph(explanation, style)).join('\n\n')
}

function paragraph({ finding, matched, what, advice, warning }: Explanation, style: Style): string {
  const lines = [`${style.bold(finding)} ${style.dim(`("${matched}")`)}`, what, `What to do: ${advice}`]
  if (warning !== null) lines.push(`${style.warning('Careful:')} ${warning}`)
  return lines.join('\n')
}

async function readAll(stdin: Host['stdin']): Promise<string> {
  const pieces: Buffer[] = []
  let bytes = 0
  for await (const piece of stdin) {
    const buffer = Buffer.from(String(piece))
    pieces.push(buffer)
    bytes += buffer.length
    if (bytes >= MOST_BYTES) break
  }
  return Buffer.concat(pieces).toString('utf8')
}
