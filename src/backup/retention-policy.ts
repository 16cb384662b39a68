const HOUR_MS = 3_600_000
const DAY_MS = 24 * HOUR_MS
/** The first of January 1970 was a Thursday; weeks begin on Mondays, as ISO 8601 has them. */
const DAYS_TO_MONDAY = 3

/** How many backups of a series stay. 0, or an empty list: the rule is not used. */
export interface RetentionPolicy {
  /** The newest ones. */
  readonly last: number
  /** The newest one of each of so many UTC hours, days, ISO weeks, months, years that have one. */
  readonly hourly: number
  readonly daily: number
  readonly weekly: number
  readonly monthly: number
  readonly yearly: number
  /** Everything so much older than the newest one, at most. */
  readonly withinMs: number
  /** Everything with one of these tags, `key` or `key=value`. */
  readonly tags: readonly string[]
}

/** What a policy sees of a backup. */
export interface DatedBackup {
  readonly id: string
  /** Milliseconds since 1970, UTC. */
  readonly created: number
  readonly tags: Readonly<Record<string, string>>
}

export const NO_POLICY: RetentionPolicy = {
  last: 0,
  hourly: 0,
  daily: 0,
  weekly: 0,
  monthly: 0,
  yearly: 0,
  withinMs: 0,
  tags: [],
}

/** Whether any rule is used; a policy without rules expires nothing. */
export function hasRules({ tags, ...rules }: RetentionPolicy): boolean {
  return tags.length > 0 || Object.values(rules).some((number) => number > 0)
}

/**
 * The rules that keep a backup, such as `daily`; none: it may go. Only `counted` backups (complete ones of the
 * whole series) take places. Any other is measured as if it were one of them, so that it goes when a complete
 * backup in its place would go, and never in place of one.
 */
export class RetentionRules {
  readonly #policy: RetentionPolicy
  readonly #newestFirst: readonly DatedBackup[]
  readonly #periods: readonly Period[]

  constructor(policy: RetentionPolicy, counted: readonly DatedBackup[]) {
    this.#policy = policy
    this.#newestFirst = [...counted].sort((a, b) => (isNewer(a, b) ? -1 : 1))
    this.#periods = PERIODS.filter(({ rule }) => policy[rule] > 0).map((kind) => ({
      ...kind,
      newest: newestByPeriod(this.#newestFirst, kind.of),
    }))
  }

  keep(backup: DatedBackup): readonly string[] {
    const { last, withinMs, tags } = this.#policy
    const kept: string[] = []
    const newer = this.#newestFirst.slice(0, last).filter((other) => isNewer(other, backup)).length
    if (newer < last) kept.push('last')
    for (const period of this.#periods) if (this.#keepsIn(period, backup)) kept.push(period.rule)
    const [newest] = this.#newestFirst
    if (withinMs > 0 && (newest === undefined || newest.created - backup.created <= withinMs))
      kept.push('within')
    kept.push(...tags.filter((tag) => hasTag(backup, tag)).map((tag) => `tag ${tag}`))
    return kept
  }

  #keepsIn({ rule, of, newest }: Period, backup: DatedBackup): boolean {
    const own = of(backup.created)
    const first = newest.get(own)
    if (first !== undefined && isNewer(first, backup)) return false
    // In the order of time, the newest period first.
    let before = 0
    for (const period of newest.keys()) {
      if (period <= own || before >= this.#policy[rule]) break
      before++
    }
    return before < this.#policy[rule]
  }
}

export function hasTag({ tags }: Pick<DatedBackup, 'tags'>, wanted: string): boolean {
  const at = wanted.indexOf('=')
  return at < 0 ? wanted in tags : tags[wanted.slice(0, at)] === wanted.slice(at + 1)
}

type PeriodRule = 'hourly' | 'daily' | 'weekly' | 'monthly' | 'yearly'

interface PeriodKind {
  readonly rule: PeriodRule
  /** A number for the period that a time is in; later periods have greater ones. */
  readonly of: (time: number) => number
}

interface Period extends PeriodKind {
  readonly newest: ReadonlyMap<number, DatedBackup>
}

const PERIODS: readonly PeriodKind[] = [
  { rule: 'hourly', of: (time) => Math.floor(time / HOUR_MS) },
  { rule: 'daily', of: (time) => Math.floor(time / DAY_MS) },
  { rule: 'weekly', of: (time) => Math.floor((Math.floor(time / DAY_MS) + DAYS_TO_MONDAY) / 7) },
  { rule: 'monthly', of: (time) => new Date(time).getUTCFullYear() * 12 + new Date(time).getUTCMonth() },
  { rule: 'yearly', of: (time) => new Date(time).getUTCFullYear() },
]

function newestByPeriod(
  newestFirst: readonly DatedBackup[],
  of: (time: number) => number,
): ReadonlyMap<number, DatedBackup> {
  const newest = new Map<number, DatedBackup>()
  for (const backup of newestFirst) {
    const period = of(backup.created)
    if (!newest.has(period)) newest.set(period, backup)
  }
  return newest
}

function isNewer(a: DatedBackup, b: DatedBackup): boolean {
  return a.created === b.created ? a.id > b.id : a.created > b.created
}
