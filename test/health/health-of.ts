import { checkHealth, type HealthJob } from '../../src/health/check-health.js'
import type { HealthReport } from '../../src/health/report.js'
import { silentProgress } from '../../src/core/progress.js'

/** `ready`, of the whole default tenant, unless said otherwise. */
export async function healthOf(url: string, options: Partial<HealthJob> = {}): Promise<HealthReport> {
  return checkHealth({
    server: { url },
    level: 'ready',
    scope: { tenants: ['default_tenant'], databases: null, selection: { include: [], exclude: [] } },
    progress: silentProgress,
    ...options,
  })
}

export function idsOf({ findings }: HealthReport): string[] {
  return findings.map(({ id }) => id)
}
