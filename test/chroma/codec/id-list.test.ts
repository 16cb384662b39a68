import { describe, expect, test } from '@jest/globals'
import fc from 'fast-check'

import { readIdList } from '../../../src/chroma/codec/id-list.js'
import { ChromaGarbledAnswerError } from '../../../src/chroma/errors.js'
import { anyText } from '../../helpers/records.js'

const TAIL = '],"embeddings":null,"documents":null,"uris":null,"metadatas":null,"include":[]}'

async function* pieces(text: string, ...sizes: readonly number[]) {
  const bytes = Buffer.from(text)
  let at = 0
  for (let turn = 0; at < bytes.length; turn++) {
    const size = Math.max(1, sizes[turn % sizes.length] ?? bytes.length)
    yield bytes.subarray(at, at + size)
    at += size
  }
}

async function read(text: string, ...sizes: readonly number[]): Promise<string[]> {
  const ids: string[] = []
  for await (const list of readIdList(pieces(text, ...sizes))) ids.push(...list)
  return ids
}

describe('a list of ids', () => {
  test('comes whole in whatever pieces the network delivers it', async () => {
    const sizes = fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1, maxLength: 5 })
    await fc.assert(
      fc.asyncProperty(fc.array(anyText, { maxLength: 30 }), sizes, async (ids, cuts) => {
        expect(await read(`{"ids":${JSON.stringify(ids).slice(0, -1)}${TAIL}`, ...cuts)).toEqual(ids)
      }),
      { numRuns: 300 },
    )
  })

  test('is handed on while it arrives', async () => {
    const seen: number[] = []
    const body = async function* () {
      yield Buffer.from('{"ids":["a","b"')
      seen.push(1)
      yield Buffer.from(`,"c"${TAIL}`)
    }
    const ids = readIdList(body())
    expect((await ids.next()).value).toEqual(['a', 'b'])
    expect(seen).toEqual([])
    expect((await ids.next()).value).toEqual(['c'])
    expect((await ids.next()).done).toBe(true)
  })

  test('with white space', async () => {
    expect(await read(' {\n"ids" : [ "a" ,\t"b" ] , "include" : [ ] } ', 1)).toEqual(['a', 'b'])
  })

  test.each([
    ['cut off in an id', '{"ids":["a","b'],
    ['cut off behind an id', '{"ids":["a"'],
    ['cut off behind the ids', '{"ids":["a"]'],
    ['cut off at the end', `{"ids":["a"${TAIL.slice(0, -1)}`],
    ['nothing', ''],
    ['only the end', '}'],
    ['an error', '{"error":"InternalError","message":"x"}'],
    ['not an object', '["a"]'],
    ['a number for an id', `{"ids":["a",1${TAIL}`],
    ['a comma too many', `{"ids":["a",${TAIL}`],
    ['no comma', `{"ids":["a" "b"${TAIL}`],
    ['a control character', `{"ids":["a\n"${TAIL}`],
    ['something behind the end', `{"ids":["a"${TAIL}x`],
    ['an error page', `<html>${' '.repeat(70_000)}`],
  ])('%s is an error', async (_, text) => {
    await expect(read(text)).rejects.toThrow(ChromaGarbledAnswerError)
    await expect(read(text, 7)).rejects.toThrow(ChromaGarbledAnswerError)
  })

  test('an id that is not UTF-8 is an error', async () => {
    const bytes = Buffer.from(`{"ids":["é"${TAIL}`)
    bytes[bytes.indexOf(0xc3)] = 0xff
    const body = async function* () {
      yield bytes
    }
    await expect(readIdList(body()).next()).rejects.toThrow(ChromaGarbledAnswerError)
  })
})
