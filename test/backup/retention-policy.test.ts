import { expect, test } from '@jest/globals'

import { newBackupId } from '../../src/backup/backup-id.js'
import { decideRetention, type RetentionQuestion } from '../../src/backup/decide-retention.js'
import { ManifestDamagedError } from '../../src/backup/errors.js'
import type { BackupEntry } from '../../src/backup/list-backups.js'
import type { BackupHead } from '../../src/backup/manifest.js'
import { NO_POLICY, RetentionRules, type RetentionPolicy } from '../../src/backup/retention-policy.js'
import { headOf } from '../helpers/heads.js'

const HOUR = 3_600_000
const DAY = 24 * HOUR

function entryOf(created: string | number, overrides: Partial<BackupHead> = {}): BackupEntry {
  const time = new Date(created)
  const id = overrides.id ?? newBackupId(time, 'docs')
  return {
    id,
    series: 'docs',
    head: headOf({ id, created: time.toISOString(), ...overrides }),
    damaged: null,
  }
}

function ask(
  entries: readonly BackupEntry[],
  policy: Partial<RetentionPolicy>,
  overrides: Partial<RetentionQuestion> = {},
) {
  const question = {
    entries,
    policy: { ...NO_POLICY, ...policy },
    named: null,
    holds: new Map(),
    laterTags: new Map(),
    verified: new Set<string>(),
    pinned: new Set<string>(),
    now: new Date('2026-11-20T12:00:00Z'),
    ...overrides,
  }
  return new Map(decideRetention(question).map((decision) => [decision.id, decision]))
}

function kept(entries: readonly BackupEntry[], policy: Partial<RetentionPolicy>) {
  const decisions = ask(entries, policy)
  return entries.map(({ id }) => decisions.get(id)?.reasons.join(' '))
}

test('of each of the newest days that have a backup the last one stays', () => {
  const times = ['11-20T02', '11-19T23', '11-19T02', '11-15T02', '11-14T02'].map((at) => `2026-${at}:00:00Z`)
  const entries = times.map((time) => entryOf(time))
  expect(kept(entries, { daily: 3 })).toEqual(['newest daily', 'daily', '', 'daily', ''])
})

test('weeks begin on Monday, in UTC; the leap day is a day; years end at midnight UTC', () => {
  const week = ['2026-11-16T00:00:00Z', '2026-11-15T23:59:59Z', '2026-11-09T00:00:00Z'].map((at) =>
    entryOf(at),
  )
  expect(kept(week, { weekly: 2 })).toEqual(['newest weekly', 'weekly', ''])
  const leap = ['2024-03-01T00:00:00Z', '2024-02-29T12:00:00Z', '2024-02-28T12:00:00Z'].map((at) =>
    entryOf(at),
  )
  expect(kept(leap, { daily: 2 })).toEqual(['newest daily', 'daily', ''])
  expect(kept(leap, { monthly: 2 })).toEqual(['newest monthly', 'monthly', ''])
  const years = ['2026-01-01T00:00:00Z', '2025-12-31T23:59:59Z', '2025-01-01T00:00:00Z'].map((at) =>
    entryOf(at),
  )
  expect(kept(years, { yearly: 2 })).toEqual(['newest yearly', 'yearly', ''])
})

test('within counts from the newest backup: nothing expires because backups have stopped', () => {
  const entries = ['2026-05-10T02:00:00Z', '2026-05-03T02:00:00Z', '2026-05-01T02:00:00Z'].map((at) =>
    entryOf(at),
  )
  expect(kept(entries, { withinMs: 7 * DAY })).toEqual(['newest within', 'within', ''])
})

test('a partial backup, or a selection, takes no place and goes when a complete one in its place would', () => {
  const entries = [
    entryOf('2026-11-20T02:00:00Z', { status: 'partial' }),
    entryOf('2026-11-19T02:00:00Z'),
    entryOf('2026-11-18T15:00:00Z', { type: 'collection' }),
    entryOf('2026-11-18T02:00:00Z'),
    entryOf('2026-11-17T15:00:00Z', { status: 'partial' }),
    entryOf('2026-11-17T02:00:00Z'),
  ]
  expect(kept(entries, { last: 2 })).toEqual(['newer last', 'newest last', 'last', 'last', '', ''])
})

test('backups from the future and damaged ones take no place and do not go', () => {
  const damaged = new ManifestDamagedError('x', 'is cut off')
  const id = newBackupId(new Date('2026-11-01T00:00:00Z'), 'docs')
  const entries: BackupEntry[] = [
    entryOf('2027-01-01T00:00:00Z'),
    entryOf('2026-11-20T02:00:00Z'),
    entryOf('2026-11-19T02:00:00Z'),
    { id, series: 'docs', head: null, damaged },
  ]
  expect(kept(entries, { last: 1 })).toEqual(['future', 'newest last', '', 'damaged'])
})

test('tags, holds and pins keep; so does being the newest verified one; without rules nothing goes', () => {
  const times = [20, 19, 18, 17, 16, 15].map((day) => `2026-11-${day}T02:00:00Z`)
  const entries = times.map((time, index) => entryOf(time, { tags: index === 1 ? { release: '4' } : {} }))
  const [newest, tagged, held, pinned, verified, older] = entries.map(({ id }) => id)
  const decisions = ask(
    entries,
    { tags: ['release'] },
    {
      holds: new Map([[held ?? '', { reason: null, until: null, actor: 'a', since: times[0] ?? '' }]]),
      pinned: new Set([pinned ?? '']),
      verified: new Set([verified ?? '', older ?? '']),
    },
  )
  const reasons = [newest, tagged, held, pinned, verified, older].map(
    (id) => decisions.get(id ?? '')?.reasons,
  )
  expect(reasons).toEqual([['newest'], ['tag release'], ['held'], ['in use'], ['verified'], []])
  expect(kept(entries, {})).toEqual(['newest no rules', ...Array.from({ length: 5 }, () => 'no rules')])
})

test('a hold that has run out holds nothing', () => {
  const entries = ['2026-11-20T02:00:00Z', '2026-11-19T02:00:00Z'].map((at) => entryOf(at))
  const hold = { reason: null, until: '2026-11-20T11:00:00.000Z', actor: 'a', since: '2026-11-01T00:00:00Z' }
  const holds = new Map([[entries[1]?.id ?? '', hold]])
  expect(ask(entries, { last: 1 }, { holds }).get(entries[1]?.id ?? '')).toMatchObject({ decision: 'remove' })
})

test('on 10,000 random timelines the rules agree with the same rules written down by brute force', () => {
  const random = randomNumbers(20261120)
  for (let timeline = 0; timeline < 10_000; timeline++) {
    const counted = randomTimeline(random)
    const policy = randomPolicy(random)
    const rules = new RetentionRules(policy, counted)
    const others = randomTimeline(random).slice(0, 2)
    for (const backup of [...counted, ...others]) {
      const found = rules.keep(backup).join()
      const all = [...counted.filter((each) => each !== backup), backup]
      const expected = bruteForce(policy, all, backup, counted).join()
      // expect() itself would take most of the time.
      if (found !== expected) expect({ timeline, backup, policy, counted, found }).toBe(expected)
    }
  }
})

interface Dated {
  readonly id: string
  readonly created: number
  readonly tags: Record<string, string>
}

/** Goes through calendars day by day, with names of periods instead of numbers. */
function bruteForce(
  policy: RetentionPolicy,
  all: readonly Dated[],
  backup: Dated,
  counted: readonly Dated[],
) {
  const newerThan = (a: Dated, b: Dated) => a.created > b.created || (a.created === b.created && a.id > b.id)
  const kept: string[] = []
  if (all.filter((other) => newerThan(other, backup)).length < policy.last) kept.push('last')
  const names: [
    keyof RetentionPolicy & ('hourly' | 'daily' | 'weekly' | 'monthly' | 'yearly'),
    (iso: string) => string,
  ][] = [
    ['hourly', (iso) => iso.slice(0, 13)],
    ['daily', (iso) => iso.slice(0, 10)],
    ['weekly', mondayOf],
    ['monthly', (iso) => iso.slice(0, 7)],
    ['yearly', (iso) => iso.slice(0, 4)],
  ]
  for (const [rule, nameOf] of names) {
    if (policy[rule] === 0) continue
    const name = ({ created }: Dated) => periodName(rule, created, nameOf)
    const isNewestOfIts = all.every((other) => name(other) !== name(backup) || !newerThan(other, backup))
    const later = new Set(all.map(name).filter((other) => other > name(backup)))
    if (isNewestOfIts && later.size < policy[rule]) kept.push(rule)
  }
  const newest = Math.max(...counted.map(({ created }) => created))
  if (policy.withinMs > 0 && (counted.length === 0 || newest - backup.created <= policy.withinMs))
    kept.push('within')
  for (const tag of policy.tags) {
    const [key = '', value] = tag.split('=')
    if (key in backup.tags && (value === undefined || backup.tags[key] === value)) kept.push(`tag ${tag}`)
  }
  return kept
}

const periodNames = new Map<string, Map<number, string>>()

function periodName(rule: string, created: number, nameOf: (iso: string) => string): string {
  const names = periodNames.get(rule) ?? new Map<number, string>()
  periodNames.set(rule, names)
  const name = names.get(created) ?? nameOf(new Date(created).toISOString())
  names.set(created, name)
  return name
}

/** The date of the Monday at or before a time. */
function mondayOf(iso: string): string {
  const date = new Date(`${iso.slice(0, 10)}T00:00:00Z`)
  while (date.getUTCDay() !== 1) date.setUTCDate(date.getUTCDate() - 1)
  return date.toISOString().slice(0, 10)
}

function randomTimeline(random: () => number): Dated[] {
  const end = Date.UTC(
    2023 + Math.floor(random() * 3),
    Math.floor(random() * 12),
    1 + Math.floor(random() * 31),
  )
  const step = [HOUR / 2, 5 * HOUR, DAY, 9 * DAY, 40 * DAY][Math.floor(random() * 5)] ?? DAY
  return Array.from({ length: Math.floor(random() * 14) }, (_, index) => ({
    // Some at the same moment, some on the edge of a period.
    created: end - Math.floor(random() * 4) * index * step,
    id: `id-${Math.floor(random() * 1e9)}`,
    tags: random() < 0.2 ? { release: String(Math.floor(random() * 3)) } : {},
  }))
}

function randomPolicy(random: () => number): RetentionPolicy {
  const number = () => (random() < 0.5 ? 0 : Math.floor(random() * 5))
  return {
    last: number(),
    hourly: number(),
    daily: number(),
    weekly: number(),
    monthly: number(),
    yearly: number(),
    withinMs: number() * DAY,
    tags: random() < 0.2 ? [random() < 0.5 ? 'release' : 'release=1'] : [],
  }
}

function randomNumbers(seed: number): () => number {
  let state = seed
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    return state / 2 ** 32
  }
}
