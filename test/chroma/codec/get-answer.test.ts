import { describe, expect, test } from '@jest/globals'
import fc from 'fast-check'

import { readGetAnswer, type GetRequest, type Include } from '../../../src/chroma/codec/get-answer.js'
import { ChromaGarbledAnswerError } from '../../../src/chroma/errors.js'
import type { RecordBatch } from '../../../src/core/records.js'
import { getAnswerText } from '../../helpers/get-answer-text.js'
import { batchOf } from '../../helpers/memory-source.js'
import { anyBatch, expectSameRecords, sampleBatch } from '../../helpers/records.js'

const everything: readonly Include[] = ['embeddings', 'documents', 'metadatas', 'uris']

function read(text: string | Buffer, request: Partial<GetRequest> = {}): RecordBatch {
  return readGetAnswer(Buffer.from(text), { include: everything, ...request })
}

/** An answer about the records `a` and `b`, with some of its members changed. */
function answer(members: Readonly<Record<string, string>> = {}): string {
  const all = {
    ids: '["a","b"]',
    embeddings: '[[1.0,2.0],[3.0,4.0]]',
    documents: '["x",null]',
    uris: '[null,"u"]',
    metadatas: '[{"k":1},null]',
    include: '["embeddings"]',
    ...members,
  }
  return `{${Object.entries(all)
    .map(([key, value]) => `"${key}":${value}`)
    .join(',')}}`
}

describe('the answer to a get', () => {
  test('becomes the records that were written, bit by bit and type by type', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 6 }).chain(anyBatch), (batch) => {
        expectSameRecords(read(getAnswerText(batch), { ids: batch.ids }), batch)
      }),
      { numRuns: 300 },
    )
  })

  test('a large one, too', () => {
    const batch = sampleBatch({ rows: 300, dimension: 384 })
    expectSameRecords(read(getAnswerText(batch)), batch)
  })

  test('keeps the types of metadata apart', () => {
    const { metadatas } = read(
      answer({
        metadatas:
          '[{"i":1,"f":1.0,"e":1e2,"z":-0,"y":0,"s":"1","b":true,"max":9223372036854775807,"big":18446744073709551615,"l":[1,2],"lf":[1.0],"ls":["a"],"lb":[false,true],"__proto__":"x"},null]',
      }),
    )
    expect([...(metadatas[0] ?? [])]).toEqual([
      ['i', 1n],
      ['f', 1],
      ['e', 100],
      ['z', -0],
      ['y', 0n],
      ['s', '1'],
      ['b', true],
      ['max', 2n ** 63n - 1n],
      ['big', 2 ** 64],
      ['l', [1n, 2n]],
      ['lf', [1]],
      ['ls', ['a']],
      ['lb', [false, true]],
      ['__proto__', 'x'],
    ])
  })

  test('a sparse vector in metadata is kept', () => {
    const sparse = '{"#type":"sparse_vector","indices":[1,7],"values":[0.5,1.0]}'
    expect(read(answer({ metadatas: `[{"s":${sparse}},null]` })).metadatas[0]?.get('s')).toEqual({
      indices: [1, 7],
      values: [0.5, 1],
      tokens: null,
    })
  })

  test.each(['{}', 'null', '{"nan":null}'])('metadata %s is none', (metadata) => {
    expect(read(answer({ metadatas: `[${metadata},{"k":1}]` })).metadatas[0]).toBeNull()
  })

  test.each([
    ['null', 'a vector that is null'],
    ['[null,null]', 'a vector of nulls'],
    ['[5.0,null]', 'a vector with one null'],
  ])('%s: %s is missing, and its row is zero', (vector) => {
    const batch = read(answer({ embeddings: `[${vector},[3.0,4.0]]` }))
    expect(batch.missingEmbeddings).toEqual([0])
    expect(batch.embeddings).toEqual(Float32Array.of(0, 0, 3, 4))
    expect(read(answer({ embeddings: `[[3.0,4.0],${vector}]` })).missingEmbeddings).toEqual([1])
  })

  test('when all vectors are missing there is no dimension', () => {
    const batch = read(answer({ embeddings: '[null,null]' }))
    expect([batch.dimension, batch.missingEmbeddings]).toEqual([0, [0, 1]])
  })

  test('columns that were not asked for are null, and so are their vectors', () => {
    const text = '{"ids":["a"],"embeddings":null,"documents":null,"uris":null,"metadatas":null,"include":[]}'
    expect(read(text, { include: [] })).toEqual({ ...batchOf([{ id: 'a', embedding: [] }]), dimension: 0 })
  })

  test('no records at all', () => {
    const text = '{"ids":[],"embeddings":[],"documents":[],"uris":[],"metadatas":[],"include":[]}'
    expect(read(text, { ids: ['gone'] }).ids).toEqual([])
  })

  test('members in another order, unknown members and white space make no difference', () => {
    const text = `\n{ "embeddings" : [ [ 1.0 , 2.0 ] ,\n[3.0,4.0] ], "new": {"a":[1,"]}",{"b":null}]},
      "documents":["x",null],"uris":[null,"u"],"metadatas":[ { "k" : 1 } , null ],"ids": [ "a" , "b" ] }\n`
    expect(read(text)).toEqual(read(answer()))
  })

  test('text is decoded whatever its escapes', () => {
    const text = answer({ documents: String.raw`["\ud83d\ude00 \u00e9\n\"\\\/\b\f\r\t ü","\u0000"]` })
    expect(read(text).documents).toEqual(['😀 é\n"\\/\b\f\r\t ü', '\0'])
  })
})

describe('an answer that is not whole is never read as records', () => {
  test('cut off anywhere', () => {
    const text = Buffer.from(getAnswerText(sampleBatch({ rows: 3, dimension: 4 })))
    for (let length = 0; length < text.length; length++)
      expect(() => read(text.subarray(0, length))).toThrow(ChromaGarbledAnswerError)
  })

  test.each<[string, string]>([
    ['an id twice', answer({ ids: '["a","a"]' })],
    ['fewer documents than ids', answer({ documents: '["x"]' })],
    ['more uris than ids', answer({ uris: '[null,"u","v"]' })],
    ['fewer embeddings than ids', answer({ embeddings: '[[1.0,2.0]]' })],
    ['more embeddings than ids', answer({ embeddings: '[[1.0,2.0],[1.0,2.0],[1.0,2.0]]' })],
    ['vectors of different length', answer({ embeddings: '[[1.0,2.0],[1.0]]' })],
    ['a vector that is too long', answer({ embeddings: '[[1.0,2.0],[1.0,2.0,3.0]]' })],
    ['a number beyond float32', answer({ embeddings: '[[1.0,2.0],[1.0,3.5e38]]' })],
    ['text in a vector', answer({ embeddings: '[[1.0,2.0],[1.0,"2.0"]]' })],
    ['a column that is null though asked for', answer({ metadatas: 'null' })],
    ['vectors that are null though asked for', answer({ embeddings: 'null' })],
    ['no ids', '{"documents":[],"include":[]}'],
    ['a number for a document', answer({ documents: '[1,null]' })],
    ['a list in a list of metadata', answer({ metadatas: '[{"k":[[1]]},null]' })],
    ['a null in a list of metadata', answer({ metadatas: '[{"k":[1.0,null]},null]' })],
    ['an object of no known kind in metadata', answer({ metadatas: '[{"k":{"a":1}},null]' })],
    ['half a surrogate pair', answer({ documents: String.raw`["\ud83d","x"]` })],
    ['an unknown escape', answer({ documents: String.raw`["\x41","x"]` })],
    ['a short escape', answer({ documents: String.raw`["\u41","x"]` })],
    ['a control character', answer({ documents: '["a\nb","x"]' })],
    ['something behind the end', `${answer()}{}`],
    ['an array', '[]'],
    ['an error page', '<html><body>502</body></html>'],
    ['nothing', ''],
  ])('%s', (_, text) => {
    expect(() => read(text)).toThrow(ChromaGarbledAnswerError)
  })

  test('an id that was not asked for', () => {
    expect(() => read(answer(), { ids: ['a', 'c'] })).toThrow('the id "b" was not asked for')
  })

  test('bytes that are not UTF-8', () => {
    const bytes = Buffer.from(answer({ documents: '["é",null]' }))
    bytes[bytes.indexOf(0xc3)] = 0xff
    expect(() => read(bytes)).toThrow('not UTF-8')
  })

  test('the error may be tried again', () => {
    expect(() => read('{')).toThrow(expect.objectContaining({ retryable: true, code: 'GARBLED_ANSWER' }))
  })

  test('a garbled byte gives an error, or what the changed text says', () => {
    const batch = sampleBatch({ rows: 3, dimension: 3 })
    const text = Buffer.from(getAnswerText(batch))
    fc.assert(
      fc.property(fc.nat({ max: text.length - 1 }), fc.nat({ max: 255 }), (at, byte) => {
        const changed = Buffer.from(text)
        changed[at] = byte
        const outcome = attempt(() => read(changed))
        if (outcome instanceof Error) expect(outcome).toBeInstanceOf(ChromaGarbledAnswerError)
        else expectSameRecords(read(getAnswerText(outcome)), outcome)
      }),
      { numRuns: 2000 },
    )
  })
})

function attempt<T>(read: () => T): T | Error {
  try {
    return read()
  } catch (error) {
    if (error instanceof Error) return error
    throw error
  }
}
