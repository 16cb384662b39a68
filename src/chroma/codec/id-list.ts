import { Buffer, isUtf8 } from 'node:buffer'

import { decodeJson } from '../answers.js'
import { ChromaGarbledAnswerError } from '../errors.js'
import { JsonStrings, UNFINISHED } from './json-string.js'

/** Everything of the answer but the ids; in truth some hundred bytes. */
const FRAME_BYTES = 64 * 1024
/** No id is longer; bounds what is kept of a body that never ends its string. */
const LONGEST_ID = 16 * 1024 * 1024

const OPENING = /^\s*\{\s*"ids"\s*:\s*\[/

/**
 * The ids in the answer to a `get` without columns, while it arrives: one list for each piece of the body.
 * Keeps no more than a piece. Throws a {@link ChromaGarbledAnswerError} when the body is not whole.
 */
export async function* readIdList(
  body: AsyncIterable<Uint8Array>,
): AsyncGenerator<readonly string[], void, undefined> {
  const parser = new IdListParser()
  for await (const piece of body) {
    const ids = parser.push(piece)
    if (ids.length > 0) yield ids
  }
  parser.end()
}

class IdListParser {
  readonly #strings = new JsonStrings()
  #part: 'opening' | 'ids' | 'closing' = 'opening'
  #rest = Buffer.alloc(0)
  #at = 0
  #expects: 'first' | 'id' | 'separator' = 'first'

  push(piece: Uint8Array): string[] {
    this.#rest = Buffer.concat([this.#rest, piece])
    this.#at = 0
    if (this.#part === 'opening') this.#readOpening()
    const ids = this.#part === 'ids' ? this.#readIds() : []
    this.#rest = this.#rest.subarray(this.#at)
    if (this.#part !== 'ids' && this.#rest.length > FRAME_BYTES) throw garbled('it does not end')
    if (this.#rest.length > LONGEST_ID) throw garbled('an id does not end')
    return ids
  }

  /** What follows the ids must be the rest of one JSON object. */
  end(): void {
    if (this.#part !== 'closing') throw garbled('it is cut off')
    decodeJson(Buffer.concat([Buffer.from('{"ids":[]'), this.#rest]))
  }

  #readOpening(): void {
    const text = this.#rest.toString('latin1', 0, FRAME_BYTES)
    const opening = OPENING.exec(text)
    if (opening === null) {
      if (text.includes('[') || text.length >= FRAME_BYTES) throw garbled('it does not begin with ids')
      return
    }
    this.#at = opening[0].length
    this.#part = 'ids'
  }

  #readIds(): string[] {
    const ids: string[] = []
    const bytes = this.#rest
    for (; this.#at < bytes.length; this.#at++) {
      const byte = bytes[this.#at] ?? 0
      if (byte === 0x20 || byte === 0x0a || byte === 0x0d || byte === 0x09) continue
      if (byte === 0x5d && this.#expects !== 'id') {
        this.#part = 'closing'
        this.#at++
        break
      }
      if (this.#expects === 'separator') {
        if (byte !== 0x2c) throw garbled('ids are not separated')
        this.#expects = 'id'
        continue
      }
      if (byte !== 0x22) throw garbled('an id is not a string')
      const end = this.#strings.find(bytes, this.#at + 1)
      if (end === UNFINISHED) break
      ids.push(this.#idIn(bytes, this.#at + 1, end))
      this.#at = end
      this.#expects = 'separator'
    }
    return ids
  }

  #idIn(bytes: Buffer, from: number, to: number): string {
    const valid = !this.#strings.beyondAscii || isUtf8(bytes.subarray(from, to))
    const id = valid ? this.#strings.text(bytes, from, to) : undefined
    if (id === undefined) throw garbled('an id is not proper text')
    return id
  }
}

function garbled(problem: string): ChromaGarbledAnswerError {
  return new ChromaGarbledAnswerError(`the list of ids is garbled: ${problem}`)
}
