import { describe, expect, test } from '@jest/globals'

import { renderNagios } from '../../src/health/render-nagios.js'
import { renderPrometheus } from '../../src/health/render-prometheus.js'
import {
  bySeverity,
  healthExitCode,
  statusOf,
  type HealthFinding,
  type HealthReport,
} from '../../src/health/report.js'

const lost: HealthFinding = {
  id: 'VECTORS_LOST',
  severity: 'critical',
  collection: 't/d/"odd" | name',
  evidence: '3 of 5 vectors cannot be read back',
  consequence: 'no query finds them',
  advice: 'restore them',
  command: null,
}
const unfinished: HealthFinding = {
  ...lost,
  id: 'RESTORE_UNFINISHED',
  severity: 'info',
  collection: 't/d/shadow',
}

function report(changes: Partial<HealthReport> = {}): HealthReport {
  return {
    status: 'ok',
    level: 'ready',
    url: 'http://chroma:8000',
    startedAt: '2026-11-20T12:00:00.000Z',
    durationMs: 1234.5,
    reachable: true,
    heartbeatMs: 2.25,
    fingerprint: null,
    maxBatchSize: 5461,
    databases: ['t/d'],
    collections: [
      {
        tenant: 't',
        database: 'd',
        name: '"odd" | name',
        id: 'id',
        status: 'critical',
        records: 5,
        dimension: 3,
        space: 'l2',
        vectors: { checked: 5, lost: 3, undecided: 0, lostIds: [] },
        query: null,
        latencyMs: { count: 1, read: null, query: null },
      },
    ],
    findings: [],
    pool: null,
    ...changes,
  }
}

test('the worst finding decides; information does not', () => {
  expect(statusOf([])).toBe('ok')
  expect(statusOf([unfinished])).toBe('ok')
  expect(statusOf([unfinished, { severity: 'warning' }])).toBe('degraded')
  expect(statusOf([{ severity: 'warning' }, lost])).toBe('critical')
  expect(bySeverity([unfinished, lost])).toEqual([lost, unfinished])
  expect((['ok', 'degraded', 'critical'] as const).map((status) => healthExitCode({ status }))).toEqual([
    0, 3, 4,
  ])
})

describe('nagios', () => {
  test('all is well: one line with figures', () => {
    expect(renderNagios(report())).toEqual({
      exitCode: 0,
      text: 'CHROMA OK - http://chroma:8000 has 1 collections with 5 records | duration=1.234s heartbeat=0.002s collections=1 bad_collections=1;0 records=5 lost_vectors=3;;0\n',
    })
  })

  test('live has no figures of collections', () => {
    const live = report({ level: 'live', collections: [] })
    expect(renderNagios(live).text).toBe(
      'CHROMA OK - http://chroma:8000 answers | duration=1.234s heartbeat=0.002s\n',
    )
  })

  test('the worst finding comes first, each has its line, and no text can break the format', () => {
    const { text, exitCode } = renderNagios(report({ status: 'critical', findings: [lost, unfinished] }))
    const [first, ...others] = text.trimEnd().split('\n')
    expect(exitCode).toBe(2)
    expect(first?.split('|')).toHaveLength(2)
    expect(first).toMatch(/^CHROMA CRITICAL - t\/d\/"odd" \/ name: 3 of 5 vectors cannot be read back \| /)
    expect(others).toEqual([
      'critical VECTORS_LOST t/d/"odd" / name: 3 of 5 vectors cannot be read back. restore them',
      'info RESTORE_UNFINISHED t/d/shadow: 3 of 5 vectors cannot be read back. restore them',
    ])
  })

  test('degraded is a warning', () => {
    const { text, exitCode } = renderNagios(
      report({ status: 'degraded', findings: [{ ...lost, severity: 'warning' }] }),
    )
    expect([exitCode, text.slice(0, 14)]).toEqual([1, 'CHROMA WARNING'])
  })
})

describe('prometheus', () => {
  test('every line is a sample or a comment, no series occurs twice, labels are escaped', () => {
    const text = renderPrometheus(report({ status: 'critical', findings: [lost, lost, unfinished] }))
    const samples = text
      .trimEnd()
      .split('\n')
      .filter((line) => !line.startsWith('#'))
    for (const line of samples)
      expect(line).toMatch(/^chroma_ops_[a-z_]+(\{([a-z_]+="([^"\\]|\\.)*",?)+\})? [\d.]+$/)
    const series = samples.map((line) => line.slice(0, line.lastIndexOf(' ')))
    expect(new Set(series).size).toBe(series.length)
    expect(samples).toEqual(
      expect.arrayContaining([
        'chroma_ops_up 1',
        'chroma_ops_health_status{level="ready"} 2',
        'chroma_ops_health_timestamp_seconds{level="ready"} 1795176000',
        String.raw`chroma_ops_collection_records{tenant="t",database="d",collection="\"odd\" | name"} 5`,
        String.raw`chroma_ops_collection_vectors_lost{tenant="t",database="d",collection="\"odd\" | name"} 3`,
        String.raw`chroma_ops_health_finding{id="VECTORS_LOST",severity="critical",collection="t/d/\"odd\" | name"} 1`,
      ]),
    )
  })

  test('a server that is down has no figures of collections', () => {
    const text = renderPrometheus(
      report({ reachable: false, heartbeatMs: null, collections: [], status: 'critical' }),
    )
    expect(text).toContain('chroma_ops_up 0\n')
    expect(text).not.toContain('chroma_ops_collection')
    expect(text).not.toContain('heartbeat_seconds')
  })
})
