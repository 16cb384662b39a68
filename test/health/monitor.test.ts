import { setTimeout } from 'node:timers/promises'

import { expect, test } from '@jest/globals'

import { UsageError } from '../../src/core/errors.js'
import { silentProgress } from '../../src/core/progress.js'
import { checkHealth } from '../../src/health/check-health.js'
import { MetricsCollector } from '../../src/health/metrics-collector.js'
import { HealthMonitor } from '../../src/health/monitor.js'
import type { HealthReport, HealthStatus } from '../../src/health/report.js'
import { chromaForSuite } from '../helpers/chroma-server.js'
import { unusedPort } from '../helpers/http-server.js'

interface Checked {
  readonly status: HealthStatus
}

type Answer = HealthStatus | 'throws'

/** What a monitor tells of that gets these answers, one after the other. */
async function watched(answers: readonly Answer[], failuresBeforeDown: number): Promise<readonly string[]> {
  const seen: string[] = []
  const end = new AbortController()
  const left = [...answers]
  const monitor = new HealthMonitor<Checked>({
    intervalMs: 0,
    failuresBeforeDown,
    check: async () => {
      const answer = left.shift()
      if (answer === undefined) end.abort()
      if (answer === undefined || answer === 'throws') throw new Error('no answer')
      return { status: answer }
    },
  })
  monitor.on('report', ({ status }) => seen.push(status))
  monitor.on('failed', () => seen.push('failed'))
  monitor.on('changed', ({ from, to }) => seen.push(`${from} -> ${to}`))
  await monitor.run(end.signal)
  return seen
}

test('several bad checks in a row are down, a single one is not', async () => {
  expect(await watched(['ok', 'critical', 'ok'], 2)).toEqual(['ok', 'starting -> ok', 'critical', 'ok'])
  expect(await watched(['ok', 'critical', 'throws', 'critical', 'degraded'], 3)).toEqual([
    'ok',
    'starting -> ok',
    'critical',
    'failed',
    'critical',
    'ok -> down',
    'degraded',
    'down -> degraded',
  ])
})

test('checks never overlap, and the end comes at once', async () => {
  let running = 0
  let most = 0
  const end = new AbortController()
  const monitor = new HealthMonitor<Checked>({
    intervalMs: 1,
    check: async () => {
      most = Math.max(most, ++running)
      await setTimeout(10)
      running--
      return { status: 'ok' }
    },
  })
  const run = monitor.run(end.signal)
  await expect(monitor.run(end.signal)).rejects.toThrow(UsageError)
  await setTimeout(60)
  end.abort()
  await run
  expect([most, running, monitor.state, monitor.latest]).toEqual([1, 0, 'ok', { status: 'ok' }])
})

test('what a listener throws ends the run', async () => {
  const monitor = new HealthMonitor<Checked>({ check: async () => ({ status: 'ok' }) })
  monitor.on('report', () => {
    throw new Error('the disk of the listener is full')
  })
  await expect(monitor.run(new AbortController().signal)).rejects.toThrow('the disk of the listener is full')
})

test('an interval or a number that makes no sense is refused', () => {
  const check = async (): Promise<Checked> => ({ status: 'ok' })
  expect(() => new HealthMonitor({ check, intervalMs: -1 })).toThrow(UsageError)
  expect(() => new HealthMonitor({ check, failuresBeforeDown: 0 })).toThrow(UsageError)
})

const chroma = chromaForSuite()

test('a real server that is killed goes down, and the figures say so', async () => {
  const metrics = new MetricsCollector()
  const end = new AbortController()
  const changes: string[] = []
  const url = chroma().url
  const check = (signal: AbortSignal): Promise<HealthReport> =>
    checkHealth({
      server: { url },
      level: 'ready',
      scope: { tenants: ['default_tenant'], databases: null, selection: { include: [], exclude: [] } },
      deadlineMs: 2000,
      progress: silentProgress,
      signal,
    })
  const monitor = new HealthMonitor({ check, intervalMs: 10, failuresBeforeDown: 2 })
  const unfollow = metrics.follow(url, monitor)
  monitor.on('changed', ({ to }) => {
    changes.push(to)
    if (to === 'ok') void chroma().kill()
    else end.abort()
  })
  await monitor.run(end.signal)
  expect(changes).toEqual(['ok', 'down'])
  const text = metrics.render()
  expect(text).toContain(`chroma_ops_monitor_state{target="${url}"} 2`)
  expect(text).toContain(`chroma_ops_up{target="${url}"} 0`)
  expect(text.match(/^# TYPE (\S+)/gm)).toHaveLength(new Set(text.match(/^# TYPE (\S+)/gm)).size)
  unfollow()
  expect(metrics.render()).not.toContain('monitor_state')
})

test('several targets share one document, each metric is introduced once', async () => {
  const metrics = new MetricsCollector()
  for (const url of [`http://127.0.0.1:${await unusedPort()}`, `http://127.0.0.1:${await unusedPort()}`])
    metrics.record(
      await checkHealth({
        server: { url },
        level: 'live',
        scope: { tenants: [], databases: null, selection: { include: [], exclude: [] } },
        deadlineMs: 300,
        progress: silentProgress,
      }),
    )
  const lines = metrics.render().split('\n')
  expect(lines.filter((line) => line === '# TYPE chroma_ops_up gauge')).toHaveLength(1)
  expect(lines.filter((line) => line.startsWith('chroma_ops_up{target='))).toHaveLength(2)
})
