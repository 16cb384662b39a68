import { isUtf8, type Buffer } from 'node:buffer'

import { ChromaGarbledAnswerError } from '../errors.js'
import { endOfNumber } from './json-number.js'
import { JsonStrings, UNFINISHED } from './json-string.js'

const QUOTE = 0x22
const MAX_DEPTH = 64

/**
 * A place in a JSON text that is read byte by byte, with no intermediate text. Every method that finds
 * something unexpected throws a {@link ChromaGarbledAnswerError} that tells where.
 */
export class BodyCursor {
  readonly bytes: Buffer
  readonly view: DataView
  at = 0
  readonly #strings = new JsonStrings()

  constructor(bytes: Buffer) {
    // Invalid UTF-8 would silently become U+FFFD.
    if (!isUtf8(bytes)) throw new ChromaGarbledAnswerError('the answer is not UTF-8')
    this.bytes = bytes
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  }

  /** The next byte that is not white space; 0 at the end. */
  peek(): number {
    let byte = this.bytes[this.at]
    while (byte === 0x20 || byte === 0x0a || byte === 0x0d || byte === 0x09) byte = this.bytes[++this.at]
    return byte ?? 0
  }

  /** Steps over `character` if it is next. */
  take(character: string): boolean {
    if (this.peek() !== character.charCodeAt(0)) return false
    this.at++
    return true
  }

  expect(character: string): void {
    if (!this.take(character)) this.fail(`expected ${character}`)
  }

  /** Steps over `null` if it is next. */
  takeNull(): boolean {
    if (this.peek() !== 0x6e) return false
    this.word('null')
    return true
  }

  word(word: string): void {
    for (let index = 0; index < word.length; index++)
      if (this.bytes[this.at + index] !== word.charCodeAt(index)) this.fail(`expected ${word}`)
    this.at += word.length
  }

  end(): void {
    if (this.peek() !== 0 || this.at < this.bytes.length) this.fail('unexpected text after the value')
  }

  string(): string {
    const start = this.openString()
    const end = this.#strings.find(this.bytes, start)
    if (end === UNFINISHED) this.fail('a string without an end')
    const text = this.#strings.text(this.bytes, start, end)
    if (text === undefined) this.fail('an invalid string', start)
    this.at = end + 1
    return text
  }

  /** The position behind the quotation mark that must be next. */
  openString(): number {
    if (this.peek() !== QUOTE) this.fail('expected a string')
    return this.at + 1
  }

  /** Steps over the number that is next; its beginning. Its end is where the cursor stands. */
  number(): number {
    this.peek()
    const start = this.at
    this.at = endOfNumber(this.bytes, start)
    if (this.at === start) this.fail('expected a value')
    return start
  }

  /** Steps over any value. */
  skipValue(depth = 0): void {
    if (depth > MAX_DEPTH) this.fail('nested too deeply')
    const byte = this.peek()
    if (byte === QUOTE) this.#skipString()
    else if (byte === 0x5b) this.elements(() => this.skipValue(depth + 1))
    else if (byte === 0x7b) this.members(() => this.skipValue(depth + 1))
    else if (byte === 0x74) this.word('true')
    else if (byte === 0x66) this.word('false')
    else if (byte === 0x6e) this.word('null')
    else this.number()
  }

  /** Calls `read` at each element of the array that is next. */
  elements(read: () => void): void {
    this.expect('[')
    if (this.take(']')) return
    do read()
    while (this.take(','))
    this.expect(']')
  }

  /** Calls `read` at the value of each member of the object that is next. */
  members(read: (key: string) => void): void {
    this.expect('{')
    if (this.take('}')) return
    do {
      const key = this.string()
      this.expect(':')
      read(key)
    } while (this.take(','))
    this.expect('}')
  }

  fail(problem: string, at = this.at): never {
    throw new ChromaGarbledAnswerError(`the answer is garbled: ${problem} at byte ${at}`)
  }

  #skipString(): void {
    const end = this.#strings.find(this.bytes, this.openString())
    if (end === UNFINISHED) this.fail('a string without an end')
    this.at = end + 1
  }
}
