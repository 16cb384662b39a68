import { isJsonArray, isJsonObject, parseJson, type JsonValue } from '../core/json.js'
import { asError } from '../core/errors.js'
import { ChromaGarbledAnswerError } from './errors.js'

/** A small answer as lossless JSON. Throws {@link ChromaGarbledAnswerError}. */
export function decodeJson(body: Buffer): JsonValue {
  try {
    return parseJson(new TextDecoder('utf-8', { fatal: true }).decode(body))
  } catch (error) {
    const cause = asError(error)
    throw new ChromaGarbledAnswerError(`the answer is not JSON: ${cause.message}`, { cause })
  }
}

export function memberOf(json: JsonValue, key: string): JsonValue {
  const value = isJsonObject(json) ? json.get(key) : undefined
  if (value === undefined) throw new ChromaGarbledAnswerError(`the answer has no "${key}"`)
  return value
}

export function integerMember(json: JsonValue, key: string): bigint {
  return integerOf(memberOf(json, key))
}

export function integerOf(json: JsonValue): bigint {
  if (typeof json !== 'bigint') throw new ChromaGarbledAnswerError('a number is missing in the answer')
  return json
}

/** False when the server does not tell. */
export function flagMember(json: JsonValue, key: string): boolean {
  return isJsonObject(json) && json.get(key) === true
}

/** The `name` of each object in an array. */
export function namesOf(json: JsonValue): string[] {
  return arrayOf(json).map((item) => {
    const name = memberOf(item, 'name')
    if (typeof name !== 'string') throw new ChromaGarbledAnswerError('a name in the answer is not text')
    return name
  })
}

/** Throws unless the answer is about what was asked: some proxies mix answers up. */
export function expectName(json: JsonValue, name: string): void {
  if (memberOf(json, 'name') !== name)
    throw new ChromaGarbledAnswerError(`the answer is about something else than ${name}`)
}

export function arrayOf(json: JsonValue): readonly JsonValue[] {
  if (!isJsonArray(json)) throw new ChromaGarbledAnswerError('the answer is not an array')
  return json
}
