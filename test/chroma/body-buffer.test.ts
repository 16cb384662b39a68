import { describe, expect, test } from '@jest/globals'

import { BodyBuffer, SpareBuffers } from '../../src/chroma/body-buffer.js'

const MEGABYTE = 1024 * 1024

function gather(spare: SpareBuffers, text: string, declared: string | undefined): BodyBuffer {
  const body = new BodyBuffer(spare)
  body.expect(declared)
  for (let at = 0; at < text.length; at += 1000) body.append(Buffer.from(text.slice(at, at + 1000)))
  return body
}

describe('BodyBuffer', () => {
  test.each([
    ['declared and small', 'x'.repeat(5000), '5000'],
    ['declared and large', 'y'.repeat(MEGABYTE), String(MEGABYTE)],
    ['not declared', 'z'.repeat(5000), undefined],
    ['declared absurdly', 'z'.repeat(5000), '99999999999999'],
  ])('gathers a body whose length is %s', (_name, text, declared) => {
    const body = gather(new SpareBuffers(), text, declared)
    expect(body.whole().toString()).toBe(text)
    expect(body.length).toBe(text.length)
  })

  test('the memory of a recycled body takes the next, of nearly the same length; a kept one is left alone', () => {
    const spare = new SpareBuffers()
    const first = gather(spare, 'a'.repeat(MEGABYTE), String(MEGABYTE))
    const second = gather(spare, 'b'.repeat(MEGABYTE), String(MEGABYTE))
    const kept = second.whole()
    const memory = first.whole().buffer
    first.recycle()
    first.recycle()
    const third = gather(spare, 'c'.repeat(MEGABYTE - 3), String(MEGABYTE - 3))
    const fourth = gather(spare, 'd'.repeat(MEGABYTE), String(MEGABYTE))
    expect(third.whole().buffer).toBe(memory)
    expect(third.whole().toString()).toBe('c'.repeat(MEGABYTE - 3))
    expect(fourth.whole().buffer).not.toBe(memory)
    expect(kept.toString()).toBe('b'.repeat(MEGABYTE))
  })
})

describe('SpareBuffers', () => {
  test('keeps four, the largest, and none that is huge', () => {
    const spare = new SpareBuffers()
    const sizes = [1, 2, 3, 4, 5, 9]
    const given = sizes.map((megabytes) => Buffer.allocUnsafeSlow(megabytes * MEGABYTE))
    for (const buffer of given) spare.give(buffer)
    const taken = sizes.map(() => spare.take(MEGABYTE))
    expect(
      taken.filter((buffer) => given.some((one) => one === buffer)).map(({ length }) => length / MEGABYTE),
    ).toEqual([2, 3, 4, 5])
  })
})
