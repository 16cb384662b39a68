import base from './jest.config.js'

// How often what the default suite does a few times is done here. Workers inherit the environment.
const often = {
  CHROMA_OPS_TEST_KILLS: 100,
  CHROMA_OPS_TEST_CASES: 1000,
  CHROMA_OPS_TEST_SEED: Date.now() % 2 ** 31,
  CHROMA_OPS_TEST_SEEDS: 25,
  CHROMA_OPS_TEST_BITS: 100,
  CHROMA_OPS_TEST_PROBES: 1000,
  CHROMA_OPS_TEST_BUSY_ROUNDS: 20,
  CHROMA_OPS_TEST_ROOM_STEP: 64 * 1024,
  CHROMA_OPS_TEST_COLLECTIONS: 150,
  CHROMA_OPS_TEST_CUTS: 1000,
  CHROMA_OPS_TEST_BAD_DAYS: 100,
  CHROMA_OPS_TEST_SNAPSHOTS: 100,
  CHROMA_OPS_TEST_STRIDE: 1,
  CHROMA_OPS_TEST_SERVER_KILLS: 50,
  CHROMA_OPS_TEST_CLEANUP_KILLS: 50,
  CHROMA_OPS_TEST_ORDERS: 2000,
  CHROMA_OPS_TEST_RESUMES: 50,
  CHROMA_OPS_TEST_LOCK_PROCESSES: 20,
}
for (const [name, value] of Object.entries(often)) process.env[name] ??= String(value)

/** @type {import('jest').Config} */
export default {
  ...base,
  testMatch: [
    '<rootDir>/test/soak/*.soak.ts',
    '<rootDir>/test/backup/{physical-backup,prune-races,restore-crash,round-trip,restore-kill,resume}.test.ts',
    '<rootDir>/test/cleanup/killed.test.ts',
    '<rootDir>/test/transfer/copy-kill.test.ts',
    '<rootDir>/test/migrations/{operations,swap}/crashes.test.ts',
    '<rootDir>/test/migrations/state/lock-processes.test.ts',
    '<rootDir>/test/health/offline/killed-server.test.ts',
    '<rootDir>/test/e2e/{busy-server,damage,disk-full,faulty-network,killed-*,physical-*,power-cut,queries,round-trip,s3,scope}.test.ts',
  ],
  // Of a single test: two hours.
  testTimeout: 7_200_000,
}
