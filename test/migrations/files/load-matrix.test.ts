import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'

import { startCli } from '../../helpers/cli-process.js'
import { temporaryProject, type TemporaryProject } from './temporary-project.js'

/**
 * Six kinds of files, each in a CommonJS and in an ES package, loaded by the real command in a process of its
 * own, whose package is not installed in the project: so `chroma-ops` cannot be found beside the files.
 */
const lib = {
  'migrations/lib/tags.ts': `export enum Kind { Text = 'text' }\nexport const tags: string[] = [Kind.Text]\n`,
  'migrations/lib/limits.json': `{ "limit": 3 }\n`,
  'migrations/lib/old.cjs': `exports.old = 'old'\n`,
  'src/app.ts': `export const name = 'app'\n`,
  'tsconfig.json': `{ "compilerOptions": { "paths": { "@app/*": ["./src/*"] } } }`,
}

const kinds: Readonly<Record<string, readonly [extension: string, text: string]>> = {
  'TypeScript with an enum and a helper': [
    'ts',
    `import { defineMigration } from 'chroma-ops'
import { Kind, tags } from './lib/tags.js'
import { tags as same } from './lib/tags'
enum Own { A = 'a' }
export default defineMigration({ description: [Own.A, Kind.Text, ...tags, same.length].join(' '), async up() {} })`,
  ],
  'JSON and CommonJS imports': [
    'ts',
    `import { defineMigration } from 'chroma-ops'
import limits from './lib/limits.json' with { type: 'json' }
import { old } from './lib/old.cjs'
export default defineMigration({ description: \`\${limits.limit} \${old}\`, async up() {} })`,
  ],
  'top-level await': [
    'mts',
    `import { defineMigration } from 'chroma-ops'
const { tags } = await import('./lib/tags.js')
export default defineMigration({ description: await Promise.resolve(tags[0]), async up() {} })`,
  ],
  'paths of a tsconfig': [
    'ts',
    `import { name } from '@app/app'
export const description: string = name
export async function up(): Promise<void> {}`,
  ],
  'an ES module': [
    'mjs',
    `import { defineMigration } from 'chroma-ops'
import { createRequire } from 'node:module'
const require = createRequire(import.meta.url)
export default defineMigration({ description: require('./lib/old.cjs').old, async up() {} })`,
  ],
  'a CommonJS module': [
    'cjs',
    `const { defineMigration } = require('chroma-ops')
module.exports = defineMigration({ description: __filename.slice(-4), async up() {} })`,
  ],
  'JavaScript without a word on its modules': [
    'js',
    `import { defineMigration } from 'chroma-ops'
export default defineMigration({ description: 'js', async up() {} })`,
  ],
}

const descriptions = ['a text text 1', '3 old', 'text', 'app', 'old', '.cjs', 'js']

const files = Object.fromEntries(
  Object.values(kinds).map(([extension, text], index) => [
    `migrations/0000${index + 1}_kind.${extension}`,
    text,
  ]),
)

describe.each([
  ['CommonJS', 'commonjs'],
  ['ES', 'module'],
])('in a package of %s modules', (_, type) => {
  let project: TemporaryProject

  beforeAll(async () => {
    const manifest = JSON.stringify({ name: 'app', version: '1.0.0', type })
    project = await temporaryProject({ ...lib, ...files, 'package.json': manifest })
  })

  afterAll(() => project.dispose())

  test(`loads ${Object.keys(kinds).join(', ')}`, async () => {
    const run = await migrate(project, 'validate', '--update-sum', '--json')
    const report: unknown = JSON.parse(run.stdout)
    expect(report).toMatchObject({
      problems: [],
      migrations: descriptions.map((description) => ({ description })),
    })
    expect(run.exitCode).toBe(0)
  })

  test('tells file and line of all that is wrong', async () => {
    const bad: readonly (readonly [extension: string, text: string, line: number, message: string])[] = [
      ['ts', `const a: number = 1\n\nexport const up = () => {\n  a +\n}`, 5, 'Unexpected token'],
      [
        'ts',
        `const a: unknown = null\n\n\nthrow new Error('broken ' + a)\nexport const up = () => {}`,
        4,
        'throws when it is loaded: broken null',
      ],
      ['mjs', `await null\n\nnull.x\nexport const up = () => {}`, 3, 'throws when it is loaded: Cannot read'],
      ['cjs', `\nexports.up = 1\n\nrequire('./lib/old.cjs').missing()`, 4, 'throws when it is loaded: '],
      [
        'js',
        `import x from './lib/nowhere.js'\nexport const up = () => x`,
        1,
        'cannot find ./lib/nowhere.js',
      ],
    ]
    const named = bad.map(([extension, text], index): [string, string] => [
      `migrations/0000${index + 1}_bad.${extension}`,
      text,
    ])
    const broken = await temporaryProject({ ...lib, 'package.json': JSON.stringify({ type }) })
    await broken.write(Object.fromEntries(named))
    const { exitCode, stdout } = await migrate(broken, 'validate', '--offline')
    for (const [index, [extension, , line, message]] of bad.entries()) {
      expect(stdout).toContain(`migrations/0000${index + 1}_bad.${extension}:${line}: ${message}`)
    }
    expect(exitCode).toBe(2)
    await broken.dispose()
  })
})

async function migrate(project: TemporaryProject, ...words: readonly string[]) {
  const cli = await startCli(['migrate', ...words], { cwd: project.root })
  return cli.ended
}
