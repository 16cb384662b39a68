import { readdir, readFile } from 'node:fs/promises'
import path from 'node:path'
import { fileURLToPath } from 'node:url'

import { expect, test } from '@jest/globals'

import { isOrAre, plural, wasOrWere } from '../../src/core/plural.js'

const MIGRATIONS = fileURLToPath(new URL('../../src/migrations', import.meta.url))

test('one is singular, none and many are plural', () => {
  expect([0, 1, 2, 12_345].map((count) => `${plural(count, 'record')} ${isOrAre(count)}`)).toEqual([
    '0 records are',
    '1 record is',
    '2 records are',
    '12,345 records are',
  ])
  expect([0, 1, 2].map(wasOrWere)).toEqual(['were', 'was', 'were'])
})

test('no message of migrations says "1 records"', async () => {
  const files = (await readdir(MIGRATIONS, { recursive: true })).filter((file) => file.endsWith('.ts'))
  const wrong: string[] = []
  for (const file of files) {
    // What somebody fills in is the text of a template.
    if (file.endsWith('templates.ts')) continue
    const text = await readFile(path.join(MIGRATIONS, file), 'utf8')
    for (const [found] of text.matchAll(COUNTED)) wrong.push(`${file}: ${found}`)
  }
  expect(wrong).toEqual([])
})

/** A number that may be one, and a noun in the plural; numbers that are always many have names in capitals. */
const COUNTED =
  /\$\{(?!plural|[A-Z_]+\})[^{}]+\} (late |empty |other )?(records|steps|collections|texts|vectors|migrations|writes|ids)\b/g
