import type { LockFacts } from './lock-info.js'

/** `ada on host-1 (pid 4711, run 5f3a)`. */
export function describeHolder({ owner, process, runId }: LockFacts): string {
  return `${owner} on ${process.host} (pid ${process.pid}, run ${runId})`
}
