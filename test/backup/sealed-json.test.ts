import { createHash } from 'node:crypto'

import { expect, test } from '@jest/globals'

import { sealJson, unsealJson } from '../../src/backup/sealed-json.js'

const document = { format: 1, text: 'größe', list: [1, { a: null }], sha256: undefined }

test('a sealed document is JSON, one member per line, and ends with the hash of what is before', () => {
  const sealed = sealJson(document)
  const text = sealed.toString('utf8')
  expect(JSON.parse(text)).toMatchObject({ format: 1, text: 'größe', list: [1, { a: null }] })
  expect(text.split('\n')).toHaveLength(7)
  const hash = createHash('sha256').update(sealed.subarray(0, -80)).digest('hex')
  expect(sealed.subarray(-80).toString()).toBe(`,\n"sha256":"${hash}"\n}\n`)
  expect(unsealJson(sealed)).toMatchObject({ document: { text: 'größe', sha256: hash } })
})

test('every cut is noticed', () => {
  const sealed = sealJson(document)
  for (let length = 0; length < sealed.length; length++) {
    expect(unsealJson(sealed.subarray(0, length))).toHaveProperty('damage')
  }
  expect(unsealJson(Buffer.concat([sealed, Buffer.from('\n')]))).toHaveProperty('damage')
})
