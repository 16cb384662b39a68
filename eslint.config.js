import js from '@eslint/js'
import tseslint from 'typescript-eslint'

/** What each folder of src may import from the others. `cli.ts` and `index.ts` may import anything. */
const mayImport = {
  core: [],
  config: ['core'],
  output: ['core'],
  chroma: ['core'],
  storage: ['core'],
  datadir: ['core'],
  transfer: ['core', 'chroma', 'datadir', 'storage'],
  backup: ['core', 'chroma', 'datadir', 'storage', 'transfer'],
  cleanup: ['core', 'chroma', 'datadir', 'storage', 'transfer'],
  health: ['core', 'chroma', 'datadir', 'storage', 'transfer'],
  schedule: ['core', 'chroma', 'datadir', 'storage', 'transfer'],
  migrations: ['core', 'chroma', 'datadir', 'storage', 'transfer'],
  commands: [
    'core',
    'config',
    'output',
    'chroma',
    'datadir',
    'storage',
    'transfer',
    'backup',
    'cleanup',
    'health',
    'schedule',
    'migrations',
  ],
}
const folders = Object.keys(mayImport)

/** Packages that only one folder may import. */
const owned = {
  chromadb: ['chroma'],
  'better-sqlite3': ['datadir'],
  commander: ['commands', 'cli'],
  croner: ['schedule'],
  'cli-progress': ['output'],
  'cli-table3': ['output', 'commands'],
  jiti: ['migrations'],
  libsql: ['datadir'],
  'node:sqlite': ['datadir'],
  undici: ['chroma'],
  yaml: ['config'],
}

const boundaries = folders.map((folder) => {
  const forbidden = folders.filter((other) => other !== folder && !mayImport[folder].includes(other))
  return {
    files: [`src/${folder}/**/*.ts`],
    rules: {
      'no-restricted-imports': [
        'error',
        {
          paths: Object.entries(owned)
            .filter(([, owners]) => !owners.includes(folder))
            .map(([name, owners]) => ({
              name,
              message: `only src/${owners.join(', src/')} may import ${name}`,
            })),
          patterns: [
            {
              regex: `^(\\.\\./)+((${[...forbidden, 'nothing'].join('|')})/|(cli|index)\\.js$)`,
              message: `src/${folder} may import only: ${mayImport[folder].join(', ') || 'nothing from src'}`,
            },
          ],
        },
      ],
      // SDKs load at first use, so that --help stays instant.
      'no-restricted-syntax': [
        'error',
        {
          selector:
            'ImportDeclaration[importKind!="type"][source.value=/^(@aws-sdk|@smithy|@azure|@google-cloud|libsql|node:sqlite|better-sqlite3)/]',
          message: 'load SDKs lazily: await import(…) at first use',
        },
      ],
    },
  }
})

export default tseslint.config(
  { ignores: ['dist', 'coverage', '.cache', 'test/golden'] },
  js.configs.recommended,
  {
    files: ['**/*.js', '**/*.mjs'],
    languageOptions: {
      globals: {
        process: 'readonly',
        console: 'readonly',
        Buffer: 'readonly',
        URL: 'readonly',
        setTimeout: 'readonly',
        clearTimeout: 'readonly',
        setInterval: 'readonly',
        clearInterval: 'readonly',
        performance: 'readonly',
        fetch: 'readonly',
        AbortController: 'readonly',
        AbortSignal: 'readonly',
      },
    },
  },
  {
    files: ['src/**/*.ts', 'test/**/*.ts'],
    extends: [tseslint.configs.strictTypeChecked, tseslint.configs.stylisticTypeChecked],
    languageOptions: { parserOptions: { projectService: true, tsconfigRootDir: import.meta.dirname } },
    rules: {
      '@typescript-eslint/switch-exhaustiveness-check': 'error',
      '@typescript-eslint/consistent-type-imports': ['error', { fixStyle: 'inline-type-imports' }],
      '@typescript-eslint/restrict-template-expressions': ['error', { allowNumber: true }],
      '@typescript-eslint/no-confusing-void-expression': ['error', { ignoreArrowShorthand: true }],
      // `async` without `await` is how a method promises to reject rather than throw.
      '@typescript-eslint/require-await': 'off',
      '@typescript-eslint/no-empty-function': 'off',
      '@typescript-eslint/no-unused-vars': ['error', { argsIgnorePattern: '^_' }],
    },
  },
  {
    files: ['src/**/*.ts'],
    ignores: ['src/cli.ts'],
    rules: {
      'no-console': 'error',
      'no-restricted-properties': [
        'error',
        ...['exit', 'exitCode', 'env', 'argv', 'stdout', 'stderr'].map((property) => ({
          object: 'process',
          property,
          message: 'pass it in from src/cli.ts',
        })),
      ],
    },
  },
  {
    files: ['test/**/*.ts'],
    ignores: ['test/helpers/run-now.ts'],
    rules: {
      'no-restricted-imports': [
        'error',
        {
          paths: [
            {
              name: 'node:child_process',
              importNames: ['spawnSync', 'execFileSync', 'execSync'],
              message: 'no limit of a test ends them: runNow() of test/helpers/run-now.ts has its own',
            },
          ],
        },
      ],
    },
  },
  ...boundaries,
)
