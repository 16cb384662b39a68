import { mkdir, symlink, writeFile } from 'node:fs/promises'
import path from 'node:path'

import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import fc from 'fast-check'
import { format } from 'prettier'

import { bundleOf } from '../../../src/migrations/files/checksum.js'
import { createModuleLoader, type ModuleLoader } from '../../../src/migrations/files/module-loader.js'
import { temporaryProject, type TemporaryProject } from './temporary-project.js'

const source = `import { defineMigration, type MigrationRecord } from 'chroma-ops'
import { clean } from './lib/clean.js'
import prices from './lib/prices.json' with { type: 'json' }
import { Row } from './lib/row.js'

enum Mode { On = 'on', Off = 'off' }
const LIMIT = 1000

interface Options { readonly mode: Mode; readonly 'limit': number }

export function pick<T extends Row>(this: void, rows: readonly T[], by?: keyof T): T | undefined {
  return rows.find((row) => row[by!] !== null) as T | undefined
}

export const tags = (text: string): string[] => text.split(/[,;]+/giu).filter(Boolean)

class Counter<T> {
  private readonly seen = new Map<T, number>()
  declare total: number
  constructor(private readonly limit: number = LIMIT) {}
  add(item: T): void
  add(item: T): void { if (this.seen.size < this.limit) this.seen.set(item, (this.seen.get(item) ?? 0) + 1); }
}

export default defineMigration({
  description: 'it\\'s about "docs"',
  async up(m) {
    const counter = new Counter<string>(0xff)
    await m.collection('docs').transform((r: MigrationRecord) => {
      counter.add(r.id)
      return { ...r, document: clean(r.document ?? \`none
of \${r.id}\`), metadata: { 'mode': Mode.On, big: 10n, price: prices.base * (1 + .5) } } satisfies object
    }).copyAndSwap({ keepOld: '14d' })
    for (;;) { break }
  },
})
`

const others = {
  'migrations/lib/clean.ts': `import { trim } from './trim.js'\nexport const clean = (text: string) => trim(text).toLowerCase()\n`,
  'migrations/lib/trim.ts': `import type { clean } from './clean.js'\nimport './side.cjs'\nexport const trim = (text: string) => text.trim()\nexport type C = typeof clean\n`,
  'migrations/lib/side.cjs': `module.exports = { a: require('./prices.json') } // used\n`,
  'migrations/lib/prices.json': `{ "base": 12.5, "list": [1, 2] }\n`,
  'migrations/lib/row.ts': `export interface Row { id: string }\n`,
}

let project: TemporaryProject
let loader: ModuleLoader

beforeAll(async () => {
  project = await temporaryProject({ ...others, 'migrations/00001_docs.ts': source })
  loader = await createModuleLoader({ dir: project.dir })
})

afterAll(() => project.dispose())

describe('what makes no difference to the checksum', () => {
  test('is the same in every release', async () => {
    // Stored with every applied migration: a changed algorithm needs another tag than b1.
    expect(await checksumOf(source)).toBe(
      'b1:6d0992d1fa58d1128a57a0a4f498ee8d904dd86abb51849c158317538ef192f0',
    )
  })

  const harmless: Readonly<Record<string, (text: string) => string>> = {
    'a byte order mark': (text) => `\uFEFF${text}`,
    'line ends of Windows': (text) => text.replaceAll('\n', '\r\n'),
    comments: (text) =>
      `/* head */\n${text.replaceAll('\n  async up', '\n  // first\n  /** @param m */ async up')}`,
    indentation: (text) => text.replaceAll('\n  ', '\n\t\t  '),
    'type annotations': (text) =>
      text.replace('(r: MigrationRecord)', '(r)').replace('(text: string): string[]', '(text: any): unknown'),
    'an import of a type that is not used any more': (text) =>
      text.replace(', type MigrationRecord', '').replace(': MigrationRecord', ''),
    'an import that is used as a type only': (text) =>
      text.replace("import { Row } from './lib/row.js'\n", 'type Row = { id: string }\n'),
    'an interface more': (text) =>
      `${text}\nexport interface More { a: 1 }\nexport type { More as Other }\ndeclare const x: number\n`,
    assertions: (text) =>
      text
        .replace('row[by!]', 'row[by as keyof T]')
        .replace(' as T | undefined', '!')
        .replace(' satisfies object', ''),
    'generics and modifiers': (text) =>
      text
        .replace('Counter<string>(', 'Counter(')
        .replace('private readonly seen', 'public seen')
        .replace('private readonly limit', 'public limit'),
    'overloads and declared fields': (text) =>
      text.replace('  add(item: T): void\n', '').replace('  declare total: number\n', ''),
    quotes: (text) =>
      text.replace(`'it\\'s about "docs"'`, `"it's about \\"docs\\""`).replace(`'mode':`, 'mode:'),
    'spelling of numbers': (text) =>
      text.replace('0xff', '2_55').replace('1000', '1e3').replace('.5', '0.50').replace('10n', '0xAn'),
    'order of the flags of a pattern': (text) => text.replace('/giu', '/uig'),
    'semicolons, commas and parentheses': (text) =>
      text
        .replace('const LIMIT = 1000', 'const LIMIT = (1000);;')
        .replace('big: 10n', 'big: (10n)')
        .replace('satisfies object', ','.slice(1)),
  }

  test.each(Object.entries(harmless))('%s', async (_, change) => {
    const changed = change(source)
    expect(changed).not.toBe(source)
    expect(await checksumOf(changed)).toBe(await checksumOf(source))
  })

  test('whatever prettier does, with any options', async () => {
    const original = await checksumOf(source)
    const options = fc.record({
      semi: fc.boolean(),
      singleQuote: fc.boolean(),
      printWidth: fc.integer({ min: 20, max: 200 }),
      useTabs: fc.boolean(),
      tabWidth: fc.integer({ min: 1, max: 8 }),
      trailingComma: fc.constantFrom('all', 'none', 'es5'),
      arrowParens: fc.constantFrom('always', 'avoid'),
      bracketSpacing: fc.boolean(),
      quoteProps: fc.constantFrom('as-needed', 'consistent', 'preserve'),
      objectWrap: fc.constantFrom('preserve', 'collapse'),
      experimentalTernaries: fc.boolean(),
      experimentalOperatorPosition: fc.constantFrom('start', 'end'),
      endOfLine: fc.constantFrom('lf', 'crlf', 'cr'),
    } as const)
    await fc.assert(
      fc.asyncProperty(options, async (chosen) => {
        expect(await checksumOf(await format(source, { ...chosen, parser: 'typescript' }))).toBe(original)
      }),
      { numRuns: 25 },
    )
  })

  test('the names of the file and of what it imports', async () => {
    const moved = await temporaryProject({
      'migrations/00009_other.ts': source.replaceAll('./lib/', './shared/'),
      ...Object.fromEntries(
        Object.entries(others).map(([name, text]) => [name.replace('/lib/', '/shared/'), text]),
      ),
    })
    const bundle = await bundleOf(path.join(moved.dir, '00009_other.ts'), { loader, shown: String })
    expect(bundle.checksum).toBe(await checksumOf(source))
    await moved.dispose()
  })

  test('comments, types and spacing of what it imports', async () => {
    const original = await checksumOf(source)
    const changes: readonly (readonly [string, string])[] = [
      [
        'migrations/lib/clean.ts',
        `// new\nimport { trim } from './trim.js'\nexport const clean = (text: any): string =>\n  trim(text).toLowerCase()\n`,
      ],
      ['migrations/lib/prices.json', `{"base":12.50,\r\n"list":[1,2]}`],
      ['migrations/lib/row.ts', `export interface Row { id: string; more: number }\n`],
    ]
    for (const [file, text] of changes) {
      await project.write({ [file]: text })
      expect(await checksumOf(source)).toBe(original)
      await project.write(others)
    }
  })
})

describe('what makes a difference', () => {
  const meant: Readonly<Record<string, (text: string) => string>> = {
    'a number': (text) => text.replace('1000', '1001'),
    'a text': (text) => text.replace("'14d'", "'15d'"),
    'white space in a text': (text) => text.replace('none\nof', 'none\n of'),
    'a pattern': (text) => text.replace('[,;]', '[,]'),
    'a value of an enum': (text) => text.replace("'off'", "'of'"),
    'an operator': (text) => text.replace('r.document ??', 'r.document ||'),
    'optional access': (text) => text.replace('r.document ??', 'r?.document ??'),
    'await left out': (text) => text.replace('await m.', 'm.'),
    'the order of statements': (text) => text.replace(/(enum Mode.*)\n(const LIMIT.*)/, '$2\n$1'),
    'parentheses that count': (text) => text.replace('prices.base * (1 + .5)', 'prices.base * 1 + .5'),
    'a default value': (text) => text.replace(' = LIMIT', ''),
    'a computed key': (text) => text.replace("'mode':", "['mode']:"),
    'an import for its effect': (text) => `import './lib/row.js'\n${text}`,
    'a class field that is set': (text) => text.replace('declare total', 'total'),
  }

  test.each(Object.entries(meant))('%s', async (_, change) => {
    const changed = change(source)
    expect(changed).not.toBe(source)
    expect(await checksumOf(changed)).not.toBe(await checksumOf(source))
  })

  test.each([
    ['migrations/lib/clean.ts', `export const clean = (text: string) => text.toUpperCase()\n`],
    ['migrations/lib/trim.ts', `export const trim = (text: string) => text.trimEnd()\n`],
    ['migrations/lib/side.cjs', `module.exports = { b: require('./prices.json') }\n`],
    ['migrations/lib/prices.json', `{ "base": 12.6, "list": [1, 2] }\n`],
  ])('code in %s, however far away', async (file, text) => {
    const original = await checksumOf(source)
    await project.write({ [file]: text })
    expect(await checksumOf(source)).not.toBe(original)
    await project.write(others)
    expect(await checksumOf(source)).toBe(original)
  })

  test('any literal, and nothing that is said of its place', async () => {
    const program = (value: string, gap: string) => `export${gap}const${gap}a${gap}=${gap}[${value}]${gap}\n`
    const literals = fc.oneof(fc.string(), fc.double({ noNaN: true, noDefaultInfinity: true }), fc.boolean())
    const gaps = fc.constantFrom(' ', '  ', '\n', '\t', ' /* c */ ', ' // c\n')
    await fc.assert(
      fc.asyncProperty(literals, literals, gaps, async (one, other, gap) => {
        const [first, second] = [JSON.stringify(one), JSON.stringify(other)]
        const sum = await checksumOf(program(first, ' '))
        expect(await checksumOf(program(first, gap))).toBe(sum)
        expect((await checksumOf(program(second, gap))) === sum).toBe(first === second)
      }),
      { numRuns: 60 },
    )
  })
})

describe('what belongs to a migration', () => {
  test('local imports, also in a circle and through the paths of a tsconfig', async () => {
    const circle = await temporaryProject({
      'tsconfig.json': `{ "compilerOptions": { "baseUrl": ".", "paths": { "@app/*": ["./src/*"] } } }`,
      'src/a.ts': `import { b } from './b'\nexport const a = () => b`,
      'src/b.ts': `import { a } from '@app/a'\nexport const b = () => a`,
      'migrations/00001_docs.ts': `import { a } from '@app/a'\nexport const up = () => void a()`,
    })
    const bundle = await bundle1(circle)
    expect(bundle.files.map((file) => path.relative(circle.root, file))).toEqual([
      'migrations/00001_docs.ts',
      'src/a.ts',
      'src/b.ts',
    ])
    await circle.write({ 'src/b.ts': `export const b = 1` })
    expect((await bundle1(circle)).checksum).not.toBe(bundle.checksum)
    await circle.dispose()
  })

  test('a tsconfig that nobody named may be of no use', async () => {
    const broken = await temporaryProject({
      'tsconfig.json': `{ "extends": "@tsconfig/not-installed/tsconfig.json" }`,
      'migrations/00001_docs.ts': `export const up = () => {}`,
    })
    expect((await bundle1(broken)).files).toHaveLength(1)
    const named = path.join(broken.root, 'tsconfig.json')
    await expect(createModuleLoader({ dir: broken.dir, tsconfig: named })).rejects.toMatchObject({
      code: 'MIGRATION_FILE',
      problems: [{ code: 'IMPORT', file: named }],
    })
    await broken.dispose()
  })

  test('the same files through a link', async () => {
    const link = path.join(project.root, 'link')
    await symlink(project.dir, link)
    const file = path.join(project.dir, '00001_docs.ts')
    const direct = await bundleOf(file, { loader, shown: String })
    const linked = await createModuleLoader({ dir: link })
    const through = await bundleOf(path.join(link, '00001_docs.ts'), { loader: linked, shown: String })
    expect(through.checksum).toBe(direct.checksum)
    expect(through.files.every((each) => each.startsWith(link))).toBe(true)
  })

  test('packages only by name and version, which the checksum does not count', async () => {
    const inProject = await temporaryProject({
      'node_modules/@acme/text/package.json': `{ "name": "@acme/text", "version": "1.2.3", "main": "lib/main.js" }`,
      'node_modules/@acme/text/lib/main.js': `exports.a = 1`,
      'migrations/00001_docs.ts': `import { a } from '@acme/text'\nimport fs from 'node:fs'\nexport const up = () => [a, fs]`,
    })
    const before = await bundle1(inProject)
    expect(before.packages).toEqual(['@acme/text@1.2.3'])
    const manifest = path.join(inProject.root, 'node_modules/@acme/text/package.json')
    await writeFile(manifest, `{ "name": "@acme/text", "version": "2.0.0", "main": "lib/main.js" }`)
    const after = await bundle1(inProject)
    expect(after.packages).toEqual(['@acme/text@2.0.0'])
    expect(after.checksum).toBe(before.checksum)
    await inProject.dispose()
  })
})

async function bundle1({ dir }: TemporaryProject) {
  const own = await createModuleLoader({ dir })
  return bundleOf(path.join(dir, '00001_docs.ts'), { loader: own, shown: String })
}

async function checksumOf(text: string): Promise<string> {
  await mkdir(project.dir, { recursive: true })
  const file = path.join(project.dir, '00001_docs.ts')
  await writeFile(file, text)
  return (await bundleOf(file, { loader, shown: String })).checksum
}
