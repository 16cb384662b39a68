import type { HealthMonitor, MonitorState } from './monitor.js'
import type { DirectoryReport } from './offline/directory-report.js'
import { directoryFamilies } from './offline/render-directory.js'
import { counter, gauge, prometheusText, sample, type Family } from '../core/prometheus-text.js'
import { serverFamilies } from './render-prometheus.js'
import type { HealthReport } from './report.js'

interface Followed {
  readonly monitor: Pick<HealthMonitor<never>, 'state'>
  checks: number
  failures: number
  changes: number
}

/**
 * The newest figures of any number of servers and data directories, for one scrape. Every time series has the
 * label `target`: the URL, or the path of the directory.
 */
export class MetricsCollector {
  readonly #reports = new Map<string, readonly Family[]>()
  readonly #followed = new Map<string, Followed>()

  /** Takes the place of what was recorded of the same server or directory. */
  record(report: HealthReport | DirectoryReport): void {
    if ('path' in report) this.#reports.set(report.path, labelled(report.path, directoryFamilies(report)))
    else this.#reports.set(report.url, labelled(report.url, serverFamilies(report)))
  }

  /** Records every report of a monitor, and counts its checks. Returns the function that ends it. */
  follow<R extends HealthReport | DirectoryReport>(target: string, monitor: HealthMonitor<R>): () => void {
    const followed: Followed = { monitor, checks: 0, failures: 0, changes: 0 }
    const onReport = (report: R) => {
      followed.checks++
      this.record(report)
    }
    const onFailed = () => {
      followed.failures++
    }
    const onChanged = () => {
      followed.changes++
    }
    monitor.on('report', onReport).on('failed', onFailed).on('changed', onChanged)
    this.#followed.set(target, followed)
    return () => {
      monitor.off('report', onReport).off('failed', onFailed).off('changed', onChanged)
      this.#followed.delete(target)
    }
  }

  /** No longer tells of a server or directory. */
  forget(target: string): void {
    this.#reports.delete(target)
  }

  /** Prometheus text format 0.0.4; empty when nothing was recorded. */
  render(): string {
    return prometheusText([...[...this.#reports.values()].flat(), ...this.#ofMonitors()])
  }

  #ofMonitors(): readonly Family[] {
    return [...this.#followed].flatMap(([target, { monitor, checks, failures, changes }]) => [
      gauge(
        'monitor_state',
        '0 ok, 1 degraded, 2 down, 3 not known yet.',
        sample({ target }, STATES[monitor.state]),
      ),
      counter('monitor_checks_total', 'Checks that came to an end.', sample({ target }, checks)),
      counter('monitor_failures_total', 'Checks that could not be made.', sample({ target }, failures)),
      counter('monitor_changes_total', 'Changes of the state.', sample({ target }, changes)),
    ])
  }
}

const STATES: Record<MonitorState, number> = { ok: 0, degraded: 1, down: 2, starting: 3 }

function labelled(target: string, families: readonly Family[]): readonly Family[] {
  return families.map((family) => ({
    ...family,
    samples: family.samples.map(({ labels, value }) => ({ labels: { target, ...labels }, value })),
  }))
}
