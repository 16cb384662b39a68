import { expect, describe, test } from '@jest/globals'
import fc from 'fast-check'

import {
  doubleText,
  fromPlain,
  isJsonArray,
  isJsonObject,
  JsonSyntaxError,
  parseJson,
  stringifyJson,
  toPlain,
  type JsonValue,
} from '../../src/core/json.js'

const anyText = fc.string({ unit: 'binary' })

const { value: anyJson } = fc.letrec<{ value: JsonValue; leaf: JsonValue }>((tie) => ({
  leaf: fc.oneof(
    fc.constant(null),
    fc.boolean(),
    anyText,
    fc.bigInt(),
    fc.double({ noNaN: true, noDefaultInfinity: true }),
  ),
  value: fc.oneof(
    { maxDepth: 4 },
    tie('leaf'),
    fc.array(tie('value'), { maxLength: 5 }),
    fc
      .uniqueArray(fc.tuple(anyText, tie('value')), { maxLength: 5, selector: ([key]) => key })
      .map((entries) => new Map(entries)),
  ),
}))

describe('parseJson', () => {
  test('gives back what stringifyJson wrote, types and order of keys included', () => {
    fc.assert(
      fc.property(anyJson, (value) => {
        const back = parseJson(stringifyJson(value))
        expect(back).toEqual(value)
        expect(stringifyJson(back)).toBe(stringifyJson(value))
      }),
    )
  })

  test('reads what JSON.stringify wrote, and agrees with JSON.parse', () => {
    fc.assert(
      fc.property(fc.jsonValue(), fc.constantFrom(undefined, 2), (value, indent) => {
        const text = JSON.stringify(value, null, indent)
        expect(toPlain(parseJson(text))).toEqual(withLargeIntegersAsText(JSON.parse(text)))
      }),
    )
  })

  test.each<[string, bigint | number]>([
    ['1', 1n],
    ['1.0', 1],
    ['1e0', 1],
    ['-0', -0],
    ['-0.0', -0],
    ['0', 0n],
    ['9007199254740993', 9007199254740993n],
    ['-9223372036854775808', -(2n ** 63n)],
    ['18446744073709551616', 2n ** 64n],
    ['5e-324', 5e-324],
    ['1E+2', 100],
  ])('the number %s keeps its type and its value', (text, value) => {
    expect(Object.is(parseJson(text), value) || parseJson(text) === value).toBe(true)
    expect(typeof parseJson(text)).toBe(typeof value)
  })

  test('a key such as __proto__ is data', () => {
    expect(parseJson('{"__proto__":1,"7":2,"a":3}')).toEqual(
      new Map([
        ['__proto__', 1n],
        ['7', 2n],
        ['a', 3n],
      ]),
    )
  })

  test('of a repeated key the last value holds', () => {
    expect(parseJson('{"a":1,"a":2}')).toEqual(new Map([['a', 2n]]))
  })

  test.each([
    '',
    ' ',
    '{',
    '[1,',
    '[1 2]',
    '{"a"}',
    '{"a":1,}',
    '[1,]',
    '01',
    '-',
    '1.',
    '.5',
    '1e',
    '+1',
    'nul',
    'NaN',
    'Infinity',
    '"a',
    '"\\x"',
    '"\\u12"',
    '"a\nb"',
    "'a'",
    '1 2',
    '{a:1}',
    '"\\',
  ])('%j is not JSON', (text) => {
    expect(() => parseJson(text)).toThrow(JsonSyntaxError)
  })

  test('tells where the text is wrong', () => {
    expect(() => parseJson('{"a": tru}')).toThrow('unexpected character at character 6')
  })

  test('text nested without end does not exhaust the stack', () => {
    expect(() => parseJson('['.repeat(100_000))).toThrow('nested too deeply')
  })

  test('of any text that was cut or changed it reads JSON or throws a JsonSyntaxError', () => {
    fc.assert(
      fc.property(anyJson, fc.nat(), fc.string({ maxLength: 2 }), (value, position, replacement) => {
        const text = stringifyJson(value)
        const at = position % (text.length + 1)
        const changed = text.slice(0, at) + replacement + text.slice(at + 1)
        expect(outcome(() => parseJson(changed))).toBe(outcome(() => JSON.parse(changed)))
      }),
    )
  })
})

describe('doubleText', () => {
  test('reads back as the same bits and always looks like a double', () => {
    fc.assert(
      fc.property(fc.double({ noNaN: true, noDefaultInfinity: true }), (value) => {
        expect(doubleText(value)).toMatch(/[.e]/)
        expect(parseJson(doubleText(value))).toBe(value)
      }),
    )
  })

  test.each([NaN, Infinity, -Infinity])('%d cannot be expressed', (value) => {
    expect(() => doubleText(value)).toThrow(RangeError)
  })
})

describe('toPlain and fromPlain', () => {
  test('plain data comes back as it was', () => {
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        // Through text, because JSON has no -0.
        const plain: unknown = JSON.parse(JSON.stringify(value))
        expect(toPlain(fromPlain(plain))).toEqual(plain)
      }),
    )
  })

  test('integers that a JavaScript number cannot hold become text', () => {
    expect(toPlain([2n ** 53n + 1n, 5n])).toEqual(['9007199254740993', 5])
  })

  test('what JSON does not know is refused, what is undefined is left out', () => {
    expect(() => fromPlain(() => 1)).toThrow(TypeError)
    expect(fromPlain({ a: undefined, b: 1 })).toEqual(new Map([['b', 1n]]))
  })

  test('the guards tell arrays from objects', () => {
    expect([isJsonArray([1n]), isJsonObject([1n]), isJsonObject(new Map()), isJsonObject(undefined)]).toEqual(
      [true, false, true, false],
    )
  })
})

/** What a JavaScript number cannot hold for certain becomes text in plain data. */
function withLargeIntegersAsText(value: unknown): unknown {
  if (typeof value === 'number')
    return Number.isSafeInteger(value) || /[.e]/.test(String(value)) ? value : String(value)
  if (Array.isArray(value)) return value.map(withLargeIntegersAsText)
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, withLargeIntegersAsText(item)]))
}

function outcome(read: () => unknown): 'read' | 'refused' {
  try {
    read()
    return 'read'
  } catch (error) {
    if (error instanceof JsonSyntaxError || error instanceof SyntaxError) return 'refused'
    if (typeof error === 'object' && error !== null && 'name' in error && error.name === 'SyntaxError')
      return 'refused'
    throw error
  }
}
