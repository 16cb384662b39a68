/** What the schedule runs, in the order in which tasks that are due together run. */
export const TASK_KINDS = ['backup', 'verify', 'drill', 'prune'] as const

export type TaskKind = (typeof TASK_KINDS)[number]

/** How a task ended. */
export interface TaskOutcome {
  /** As the command gives it: 0 done, 3 and 4 findings, any other a failure. */
  readonly exitCode: number
  /** The JSON document of the command: its result, or `{ error }`. */
  readonly document: Readonly<Record<string, unknown>>
}

/** One thing to do again and again. */
export interface ScheduledTask {
  readonly profile: string
  readonly kind: TaskKind
  /** The command that the task is, without the flags that say where: `backup verify latest`. */
  readonly words: readonly string[]
  /** A cron expression of five or six fields. */
  readonly pattern: string
  /** An IANA name: `Europe/Berlin`. */
  readonly timezone: string
  /** Each run begins up to so many milliseconds late, by an amount that stays the same for one profile and slot. */
  readonly jitterMs: number
  /** Never rejects but for bugs; when the signal fires it stops at a safe point and resolves. `turn`: runs before this one. */
  readonly run: (signal: AbortSignal, turn: number) => Promise<TaskOutcome>
  /** Null: there is nothing to call. */
  readonly onSuccess: readonly string[] | null
  readonly onFailure: readonly string[] | null
  readonly hookTimeoutMs: number
}

/** Exit codes of a task that came to its end; 3 and 4 have findings. */
export function isSuccess({ exitCode }: Pick<TaskOutcome, 'exitCode'>): boolean {
  return exitCode === 0
}

/** Locked, unreachable, or out of time: the same may succeed later. */
export function mayRetry({ exitCode }: Pick<TaskOutcome, 'exitCode'>): boolean {
  return [11, 12, 18].includes(exitCode)
}

export function taskKey({ profile, kind }: Pick<ScheduledTask, 'profile' | 'kind'>): string {
  return `${profile}/${kind}`
}
