import { OpsError } from './errors.js'

/**
 * JSON without loss: an integer is a `bigint`, a number written with a point or an exponent is a `number`
 * (a double), an object is a `Map` in the order of the text. `JSON.parse` would turn `1.0` into `1` and
 * 9007199254740993 into 9007199254740992.
 */
export type JsonValue = null | boolean | string | bigint | number | readonly JsonValue[] | JsonObject
export type JsonObject = ReadonlyMap<string, JsonValue>

/** The text is not JSON (RFC 8259). */
export class JsonSyntaxError extends OpsError {
  override readonly code = 'JSON_SYNTAX'

  constructor(message: string, position: number) {
    super(`${message} at character ${position}`)
  }
}

/** Deep enough for every document that Chroma or chroma-ops writes; bounds the stack against hostile text. */
const MAX_DEPTH = 512

const QUOTE = 0x22
const BACKSLASH = 0x5c

/** Throws {@link JsonSyntaxError}. Of a repeated key the last value holds, as in `JSON.parse`. */
export function parseJson(text: string): JsonValue {
  const parser = new Parser(text)
  return parser.document()
}

class Parser {
  readonly #text: string
  #at = 0

  constructor(text: string) {
    this.#text = text
  }

  document(): JsonValue {
    const value = this.#value(0)
    this.#space()
    if (this.#at < this.#text.length) this.#fail('unexpected text after the value')
    return value
  }

  #value(depth: number): JsonValue {
    if (depth > MAX_DEPTH) this.#fail('nested too deeply')
    this.#space()
    switch (this.#text[this.#at]) {
      case '{':
        return this.#object(depth)
      case '[':
        return this.#array(depth)
      case '"':
        return this.#string()
      case 't':
        return this.#word('true', true)
      case 'f':
        return this.#word('false', false)
      case 'n':
        return this.#word('null', null)
      case undefined:
        return this.#fail('unexpected end')
      default:
        return this.#number()
    }
  }

  #object(depth: number): JsonObject {
    const object = new Map<string, JsonValue>()
    this.#at++
    this.#space()
    if (this.#take('}')) return object
    for (;;) {
      this.#space()
      if (this.#text[this.#at] !== '"') this.#fail('expected a key')
      const key = this.#string()
      this.#space()
      if (!this.#take(':')) this.#fail('expected ":"')
      object.set(key, this.#value(depth + 1))
      this.#space()
      if (this.#take('}')) return object
      if (!this.#take(',')) this.#fail('expected "," or "}"')
    }
  }

  #array(depth: number): JsonValue[] {
    const array: JsonValue[] = []
    this.#at++
    this.#space()
    if (this.#take(']')) return array
    for (;;) {
      array.push(this.#value(depth + 1))
      this.#space()
      if (this.#take(']')) return array
      if (!this.#take(',')) this.#fail('expected "," or "]"')
    }
  }

  #string(): string {
    const text = this.#text
    const start = this.#at
    let plain = true
    let end = start + 1
    for (; ; end++) {
      const code = text.charCodeAt(end)
      if (code === QUOTE) break
      if (code === BACKSLASH) end++
      else if (code >= 0x20) continue
      // Also NaN: the end of the text.
      else if (end >= text.length) this.#fail('unterminated string')
      plain = false
    }
    this.#at = end + 1
    return plain ? text.slice(start + 1, end) : this.#unescaped(start, end + 1)
  }

  #unescaped(start: number, end: number): string {
    try {
      // Strings lose nothing in JSON.parse; it also checks escapes and control characters.
      const text: unknown = JSON.parse(this.#text.slice(start, end))
      if (typeof text === 'string') return text
    } catch {
      this.#at = start
    }
    return this.#fail('invalid string')
  }

  #number(): bigint | number {
    NUMBER.lastIndex = this.#at
    const text = NUMBER.exec(this.#text)?.[0]
    if (text === undefined) return this.#fail('unexpected character')
    this.#at += text.length
    return numberOf(text)
  }

  #word<T>(word: string, value: T): T {
    if (!this.#text.startsWith(word, this.#at)) this.#fail('unexpected character')
    this.#at += word.length
    return value
  }

  #take(character: string): boolean {
    if (this.#text[this.#at] !== character) return false
    this.#at++
    return true
  }

  #space(): void {
    for (;;) {
      const code = this.#text.charCodeAt(this.#at)
      if (code !== 0x20 && code !== 0x0a && code !== 0x0d && code !== 0x09) return
      this.#at++
    }
  }

  #fail(message: string): never {
    throw new JsonSyntaxError(message, this.#at)
  }
}

const NUMBER = /-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?/y

/** The value of a JSON number: a `bigint` unless it has a point or an exponent. `-0` is the double. */
export function numberOf(text: string): bigint | number {
  if (/[.eE]/.test(text) || text === '-0') return Number(text)
  return text.length <= 15 ? BigInt(Number(text)) : BigInt(text)
}

/**
 * JSON text from which {@link parseJson} gives the same value back: doubles always carry a point or an
 * exponent. Without white space. Throws on NaN and infinities, which JSON cannot express.
 */
export function stringifyJson(value: JsonValue): string {
  if (value === null || typeof value === 'boolean') return String(value)
  if (typeof value === 'string') return JSON.stringify(value)
  if (typeof value === 'bigint') return value.toString()
  if (typeof value === 'number') return doubleText(value)
  if (isJsonArray(value)) return `[${value.map(stringifyJson).join(',')}]`
  return `{${[...value].map(([key, item]) => `${JSON.stringify(key)}:${stringifyJson(item)}`).join(',')}}`
}

/** The shortest text of a double that reads back as the same bits, with a point or an exponent. */
export function doubleText(value: number): string {
  if (!Number.isFinite(value)) throw new RangeError(`JSON cannot express ${value}`)
  if (Object.is(value, -0)) return '-0.0'
  const text = String(value)
  return /[.e]/.test(text) ? text : `${text}.0`
}

export function isJsonArray(value: JsonValue): value is readonly JsonValue[] {
  return Array.isArray(value)
}

export function isJsonObject(value: JsonValue | undefined): value is JsonObject {
  return value instanceof Map
}

/**
 * Plain JavaScript data for programs that do not need 64 bits: integers beyond 2^53 become strings, other
 * numbers become `number`. For `--json` output; never for data that is written back.
 */
export function toPlain(value: JsonValue): unknown {
  if (typeof value === 'bigint') return Number.isSafeInteger(Number(value)) ? Number(value) : value.toString()
  if (isJsonObject(value)) return Object.fromEntries([...value].map(([key, item]) => [key, toPlain(item)]))
  if (typeof value === 'object' && value !== null) return value.map(toPlain)
  return value
}

/** Lossless JSON from plain data. Whole numbers become integers. */
export function fromPlain(value: unknown): JsonValue {
  if (value === null || typeof value === 'boolean' || typeof value === 'string' || typeof value === 'bigint')
    return value
  if (typeof value === 'number') return Number.isSafeInteger(value) ? BigInt(value) : value
  if (Array.isArray(value)) return value.map(fromPlain)
  if (typeof value === 'object') {
    return new Map(
      Object.entries(value).flatMap(([key, item]) => (item === undefined ? [] : [[key, fromPlain(item)]])),
    )
  }
  throw new TypeError(`not JSON: ${typeof value}`)
}
