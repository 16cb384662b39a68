import type { ReadStream } from 'node:tty'

import { AbortedError, throwIfAborted, UsageError } from '../core/errors.js'
import type { Sink } from '../output/output.js'

const CTRL_C = '\u0003'
const CTRL_D = '\u0004'
const BACKSPACE = ['\u007f', '\b']
const CTRL_U = '\u0015'

export interface Question {
  readonly input: ReadStream
  readonly output: Sink
  readonly question: string
  readonly signal: AbortSignal
}

/** One line from a terminal that shows nothing of it. Rejects with an {@link AbortedError} on Ctrl-C. */
export async function askSecret({ input, output, question, signal }: Question): Promise<string> {
  throwIfAborted(signal)
  output.write(question)
  const wasRaw = input.isRaw
  input.setRawMode(true)
  input.setEncoding('utf8')
  input.resume()
  try {
    return await new Promise<string>((resolve, reject) => {
      let typed = ''
      const end = (settle: () => void): void => {
        input.off('data', onData)
        signal.removeEventListener('abort', onAbort)
        settle()
      }
      const onAbort = (): void => {
        end(() => {
          reject(new AbortedError(signal.reason))
        })
      }
      const onData = (piece: string | Buffer): void => {
        const line = typedLine(typed, piece.toString())
        typed = line.text
        if (line.end === null) return
        const { end: ended, text } = line
        end(() => {
          if (ended === 'enter') resolve(text)
          else if (ended === 'ctrl-c') reject(new AbortedError(new Error('Ctrl-C')))
          else reject(new UsageError('no passphrase was typed'))
        })
      }
      input.on('data', onData)
      signal.addEventListener('abort', onAbort)
    })
  } finally {
    input.setRawMode(wasRaw)
    input.pause()
    output.write('\n')
  }
}

interface TypedLine {
  readonly text: string
  readonly end: 'enter' | 'ctrl-c' | 'ctrl-d' | null
}

/** What stands in the line after some more keys. */
function typedLine(before: string, keys: string): TypedLine {
  let text = before
  for (const key of Array.from(keys)) {
    if (key === '\r' || key === '\n') return { text, end: 'enter' }
    if (key === CTRL_C) return { text, end: 'ctrl-c' }
    if (key === CTRL_D) return { text, end: 'ctrl-d' }
    if (key === CTRL_U) text = ''
    else if (BACKSPACE.includes(key)) text = Array.from(text).slice(0, -1).join('')
    else text += key
  }
  return { text, end: null }
}
