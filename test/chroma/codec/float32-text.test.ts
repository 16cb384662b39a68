import { describe, expect, test } from '@jest/globals'
import fc from 'fast-check'

import { float32Of } from '../../../src/chroma/codec/float32-text.js'
import { NO_NUMBER, readVectorRow } from '../../../src/chroma/codec/vector-row.js'
import { anyFloat32 } from '../../helpers/records.js'
import { float32Text } from '../../helpers/get-answer-text.js'

/** By the fast path, as a body has it: with more text behind. */
function readFast(texts: readonly string[], tail = ' '.repeat(64)): Float32Array | null {
  const bytes = Buffer.from(`${texts.join(',')}]${tail}`)
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const out = new Float32Array(texts.length)
  const end = readVectorRow(bytes, view, 0, out, 0, texts.length)
  if (end === NO_NUMBER) return null
  expect(end).toBe(bytes.length - tail.length)
  return out
}

/** The nearest float32 by exact arithmetic on fractions; ties to even. */
function nearestExactly(text: string): number {
  const [, sign, whole = '', fraction = '', power = '0'] =
    /^(-?)(\d+)(?:\.(\d+))?(?:[eE]([+-]?\d+))?$/.exec(text) ?? []
  const shift = Number(power) - fraction.length
  const digits = BigInt(whole + fraction)
  const [top, bottom] = shift >= 0 ? [digits * 10n ** BigInt(shift), 1n] : [digits, 10n ** BigInt(-shift)]
  // Binary search over the bits of the non-negative float32, which are ordered like their values.
  let low = 0
  let high = 0x7f7fffff
  while (low < high) {
    const middle = (low + high + 1) >>> 1
    if (compareTo(middle, top, bottom) <= 0) low = middle
    else high = middle - 1
  }
  const [below, above] = [low, Math.min(low + 1, 0x7f7fffff)]
  const [x, y] = [distanceTo(below, top, bottom), distanceTo(above, top, bottom)]
  const nearest = x < y || (x === y && below % 2 === 0) ? below : above
  return valueOf(nearest) * (sign === '-' ? -1 : 1)
}

const SCALE = 2n ** 149n
const scaled = toScaled
const compareTo = (bits: number, top: bigint, bottom: bigint) => {
  const difference = scaled(bits) * bottom - top * SCALE
  return difference === 0n ? 0 : difference < 0n ? -1 : 1
}
const distanceTo = (bits: number, top: bigint, bottom: bigint) => {
  const difference = scaled(bits) * bottom - top * SCALE
  return difference < 0n ? -difference : difference
}

/** A float32 times 2^149, which makes every one of them an integer. */
function toScaled(bits: number): bigint {
  const exponent = bits >>> 23
  const fraction = BigInt(bits & 0x7fffff)
  return exponent === 0 ? fraction : (fraction + 0x800000n) << BigInt(exponent - 1)
}

function valueOf(bits: number): number {
  const view = new DataView(new ArrayBuffer(4))
  view.setUint32(0, bits)
  return view.getFloat32(0)
}

const anyBits = fc.integer({ min: 0, max: 0x7f7ffffe })

/** Decimals exactly between two float32, and a little beside. */
const nearMiddles = fc
  .tuple(anyBits, fc.constantFrom('', '1', '0000000001', '000000000000000000000000000001'), fc.boolean())
  .map(([bits, more, negative]) => {
    const middle = exactText(toScaled(bits) + toScaled(bits + 1), 150)
    return `${negative ? '-' : ''}${middle}${more}`
  })

/** The same between 1 and 1000, cut after 15 to 19 digits: just below the middle, or one unit more. */
const almostMiddles = fc
  .tuple(fc.integer({ min: 0x3f800000, max: 0x447a0000 }), fc.integer({ min: 15, max: 19 }), fc.boolean())
  .map(([bits, digits, more]) => {
    const middle = exactText(toScaled(bits) + toScaled(bits + 1), 150)
    const point = middle.indexOf('.')
    const below = middle.slice(0, digits + 1)
    const scaled = BigInt(below.replace('.', '')) + (more ? 1n : 0n)
    const text = scaled.toString().padStart(digits, '0')
    return `${text.slice(0, point)}.${text.slice(point)}`
  })

/** `numerator / 2^twos` as a decimal, in full. */
function exactText(numerator: bigint, twos: number): string {
  const digits = (numerator * 5n ** BigInt(twos)).toString().padStart(twos + 1, '0')
  return `${digits.slice(0, -twos)}.${digits.slice(-twos)}`
}

const anyDecimal = fc
  .tuple(
    fc.boolean(),
    fc.stringMatching(/^(?:0|[1-9]\d{0,16})$/),
    fc.option(fc.stringMatching(/^\d{1,20}$/)),
    fc.option(fc.integer({ min: -50, max: 18 })),
  )
  .map(
    ([negative, whole, fraction, power]) =>
      `${negative ? '-' : ''}${whole}${fraction === null ? '' : `.${fraction}`}${power === null ? '' : `e${power}`}`,
  )

describe('a float32 in text', () => {
  test('is read bit by bit as a server writes it', () => {
    fc.assert(
      fc.property(fc.array(anyFloat32, { minLength: 1, maxLength: 20 }), (values) => {
        expect(readFast(values.map(float32Text))).toEqual(Float32Array.from(values))
      }),
      { numRuns: 500 },
    )
  })

  test('every float32 of 9 digits comes back, whatever its bits', () => {
    fc.assert(
      fc.property(fc.array(anyBits.map(valueOf), { minLength: 1, maxLength: 50 }), (values) => {
        expect(readFast(values.map((value) => value.toPrecision(9)))).toEqual(Float32Array.from(values))
      }),
      { numRuns: 500 },
    )
  })

  test('is the nearest one of any decimal, by both ways', () => {
    fc.assert(
      fc.property(anyDecimal, (text) => {
        fc.pre(Number.isFinite(Math.fround(Number(text))))
        const exact = nearestExactly(text)
        expect(float32Of(text)).toBe(exact)
        expect(readFast([text])).toEqual(Float32Array.of(exact))
      }),
      { numRuns: 2000 },
    )
  })

  test('is right where rounding to a double first would be wrong', () => {
    fc.assert(
      fc.property(nearMiddles, (text) => {
        const exact = nearestExactly(text)
        expect(float32Of(text)).toBe(exact)
        expect(readFast([text])).toEqual(Float32Array.of(exact))
      }),
      { numRuns: 300 },
    )
  })

  test('is right for decimals of few digits that are almost between two float32', () => {
    fc.assert(
      fc.property(almostMiddles, (text) => {
        const exact = nearestExactly(text)
        expect(float32Of(text)).toBe(exact)
        expect(readFast([text])).toEqual(Float32Array.of(exact))
      }),
      { numRuns: 5000 },
    )
  })

  test('a decimal just above the middle of two float32 is not rounded down with its double', () => {
    const text = '1.00000017881393432617187500000001'
    expect(Math.fround(Number(text))).toBe(1.000000238418579)
    const below = '1.00000017881393432617187499999999'
    expect([float32Of(text), float32Of(below)]).toEqual([1.000000238418579, 1.0000001192092896])
    expect(Math.fround(Number(below))).not.toBe(float32Of(below))
  })

  test.each([
    '1.4e-45',
    '1e-46',
    '1.1754942e-38',
    '-0.0',
    '-0',
    '0',
    '24',
    '-17',
    '16777217',
    '1E2',
    '0.1e+1',
  ])('%s is read though it is no common number', (text) => {
    expect(readFast([text])).toEqual(Float32Array.of(Number(text)))
    expect(readFast([text, text])).toEqual(Float32Array.of(Number(text), Number(text)))
  })

  test.each([
    '',
    '-',
    '.5',
    '1.',
    '01.5',
    '00',
    '-.5',
    '--1.0',
    ',1.0',
    '1.0.0',
    '1.0e',
    '1e+',
    '+1.0',
    '0x1p3',
    'NaN',
    '1.0x',
    '1,0',
    '"1.0"',
    'null',
    '/.5',
    ':.5',
    '1.:000',
    '1.0/00',
    '3.5e38',
    '1e999',
  ])('%j is not read as a number', (text) => {
    expect(readFast([text])).toBeNull()
    expect(readFast(['0.25', text])).toBeNull()
    expect(readFast([text], '')).toBeNull()
  })

  test.each([
    `${'1'.repeat(38)}.5`,
    `0.${'1'.repeat(60)}`,
    `${'1'.repeat(14)}.${'2'.repeat(30)}`,
    `-0.${'0'.repeat(40)}7`,
  ])('many digits at the very end of the bytes: %s', (text) => {
    expect(readFast([text], '')).toEqual(Float32Array.of(nearestExactly(text)))
    expect(readFast([text, '0.5', '1.0'], '')).not.toBeNull()
  })

  test('white space between numbers is accepted', () => {
    expect(readFast([' 1.5', '\n-2.25 ', '3.0\t'])).toEqual(Float32Array.of(1.5, -2.25, 3))
  })

  test('a row that is shorter or longer than it should be is not read', () => {
    const bytes = Buffer.from(`1.0,2.0,3.0]${' '.repeat(64)}`)
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
    for (const dimension of [2, 4])
      expect(readVectorRow(bytes, view, 0, new Float32Array(4), 0, dimension)).toBe(NO_NUMBER)
  })
})
