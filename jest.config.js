/** @type {import('jest').Config} */
export default {
  testEnvironment: 'node',
  roots: ['<rootDir>/test'],
  testMatch: ['**/*.test.ts'],
  extensionsToTreatAsEsm: ['.ts'],
  moduleNameMapper: {
    '^fast-check$': '<rootDir>/test/helpers/seeded-fast-check.js',
    '^(\\.{1,2}/.*)\\.js$': '$1',
  },
  transform: {
    '^.+\\.ts$': [
      '@swc/jest',
      {
        jsc: { parser: { syntax: 'typescript' }, target: 'es2022' },
        module: { type: 'es6' },
        sourceMaps: 'inline',
      },
    ],
  },
  // Two: a real Chroma server runs beside most suites.
  maxWorkers: 2,
  // Of a single test; four times as long as the slowest takes on a machine with nothing else to do.
  testTimeout: 180_000,
  reporters: ['default', '<rootDir>/test/helpers/totals-reporter.js'],
}
