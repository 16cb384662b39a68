/** Process exit codes. Scripts depend on these: add, never renumber. */
export const ExitCode = {
  /** Done, durable, verified as far as the command promises. */
  ok: 0,
  failed: 1,
  /** Usage or configuration; a retry will fail again. */
  usage: 2,
  /** Finished with findings: degraded health, differences, partial backup. */
  findings: 3,
  /** Critical findings: server down for data (health), corruption, lost vectors. */
  critical: 4,
  /** Repository, backup, tenant, database or collection. */
  notFound: 10,
  /** Locked by another run, or the lock was lost; a retry may succeed. */
  locked: 11,
  /** Server or store, after retries; a retry may succeed. */
  unreachable: 12,
  integrity: 13,
  /** Wrong key, or not allowed. */
  notAllowed: 14,
  /** A guard refused, or a confirmation is missing. */
  refused: 15,
  /** Version, or capability of the server or the store. */
  notSupported: 16,
  /** An interrupted migration or restore needs a decision. */
  undecided: 17,
  /** `--timeout` passed; a retry may succeed. */
  timeout: 18,
  interrupted: 130,
  terminated: 143,
} as const

export type ExitCode = (typeof ExitCode)[keyof typeof ExitCode]
