import { sleep } from '../core/abort.js'
import { asError, throwIfAborted } from '../core/errors.js'
import { runHook } from './hook.js'
import { jitterOf, nextSlot } from './slots.js'
import { newTaskState, readState, writeState, type ScheduleState, type TaskState } from './state.js'
import { isSuccess, mayRetry, TASK_KINDS, taskKey, type ScheduledTask, type TaskOutcome } from './task.js'

/** What the schedule tells while it runs. */
export interface ScheduleEvents {
  /** A task is about to begin. */
  started(task: ScheduledTask, slot: Date): void
  finished(run: FinishedRun): void
  hookLine(task: ScheduledTask, line: string): void
  hookFailed(task: ScheduledTask, why: string): void
  /** Something that the operator should know. */
  warn(code: string, message: string): void
  /** After every change of the state; also before the first run. */
  changed(state: ScheduleState, next: readonly NextRun[]): Promise<void>
}

export interface FinishedRun {
  readonly task: ScheduledTask
  readonly slot: Date
  readonly started: Date
  readonly finished: Date
  readonly outcome: TaskOutcome
  /** False: the schedule was stopped in the middle of it; it is made up for after the next start. */
  readonly complete: boolean
  readonly hookFailed: boolean
}

export interface NextRun {
  readonly task: ScheduledTask
  readonly slot: Date
  readonly at: Date
}

export interface ScheduleJob {
  readonly tasks: readonly ScheduledTask[]
  /** The state is kept in `schedule.json` here. */
  readonly stateDir: string
  /** True: run what is due, and what has never run, and end. */
  readonly once: boolean
  readonly host: string
  readonly environment: Readonly<Record<string, string | undefined>>
  readonly now: () => Date
  readonly retryAfterMs: number
  /** Figures for metrics from the document of a successful task. */
  readonly figuresOf: (run: Pick<FinishedRun, 'task' | 'outcome'>) => Readonly<Record<string, number>>
  readonly events: ScheduleEvents
  readonly signal: AbortSignal
}

/** A slot is given up after so many runs of it that were killed or could be tried again. */
const MOST_ATTEMPTS = 3
/** No longer at once: the clock may be set, and the machine may sleep. */
const LONGEST_SLEEP_MS = 20_000

/**
 * Runs tasks when they are due, one at a time, until the signal fires; resolves with the runs of `once`, else with
 * none. What was missed while nothing ran is made up for, once. Rejects with a UsageError for a
 * schedule that is wrong and with a ScheduleStateError.
 */
export async function runSchedule(job: ScheduleJob): Promise<readonly FinishedRun[]> {
  const schedule = new Schedule(job)
  await schedule.load()
  const finished: FinishedRun[] = []
  try {
    for (;;) {
      const next = await schedule.next()
      if (job.once && (next === undefined || next.at > job.now())) return finished
      if (next === undefined || next.at > job.now()) {
        const waitMs = next === undefined ? LONGEST_SLEEP_MS : next.at.getTime() - job.now().getTime()
        await sleep(Math.min(LONGEST_SLEEP_MS, Math.max(1, waitMs)), job.signal)
        continue
      }
      throwIfAborted(job.signal)
      const run = await schedule.run(next)
      if (job.once) finished.push(run)
    }
  } catch (error) {
    if (job.signal.aborted && asError(error).name !== 'ScheduleStateError') return finished
    throw error
  }
}

class Schedule {
  readonly #job: ScheduleJob
  #state: Record<string, TaskState> = {}
  /** With `once`, a task whose slots come faster than it runs is over after one of them. */
  readonly #done = new Set<ScheduledTask>()

  constructor(job: ScheduleJob) {
    this.#job = job
  }

  async load(): Promise<void> {
    const { stateDir, events, tasks, now, once } = this.#job
    const stored = await readState(stateDir)
    if (stored === null)
      events.warn(
        'SCHEDULE_STATE',
        'the state of the schedule is damaged; it begins anew, as if all had run now',
      )
    this.#state = { ...stored }
    for (const task of tasks) {
      const known = this.#state[taskKey(task)]
      if (known === undefined) this.#state[taskKey(task)] = { ...newTaskState(once ? new Date(0) : now()) }
      else if (known.running !== null) this.#afterCrash(task, known, known.running)
    }
    await this.#save()
  }

  /** The run was killed; its slot is not over. A task that kills the process each time must not do so for ever. */
  #afterCrash(task: ScheduledTask, known: TaskState, running: NonNullable<TaskState['running']>): void {
    const attempts = known.attempts + 1
    const isGivenUp = attempts >= MOST_ATTEMPTS
    const told = `${taskKey(task)}: the run that began at ${running.started} was killed`
    this.#job.events.warn(
      'RUN_KILLED',
      isGivenUp ? `${told}, as others before it; it waits for its next time` : told,
    )
    this.#state[taskKey(task)] = {
      ...known,
      running: null,
      attempts: isGivenUp ? 0 : attempts,
      runs: known.runs + 1,
      failures: known.failures + 1,
      base: isGivenUp ? this.#job.now().toISOString() : known.base,
      // Once every slot is over, what is left to do is the slot that was begun.
      retryAt: isGivenUp ? null : known.retryAt,
    }
  }

  /** What comes first; of what is due already, in the order of the kinds. Undefined: there are no tasks. */
  async next(): Promise<NextRun | undefined> {
    const now = this.#job.now()
    const runs = this.#nextRuns().filter(({ task }) => !this.#done.has(task))
    const due = runs.filter(({ at }) => at <= now)
    const byKind = (run: NextRun) => TASK_KINDS.indexOf(run.task.kind)
    if (due.length > 0) return due.sort((a, b) => byKind(a) - byKind(b) || +a.at - +b.at)[0]
    return runs.sort((a, b) => +a.at - +b.at)[0]
  }

  async run({ task, slot }: NextRun): Promise<FinishedRun> {
    const { events, now, signal } = this.#job
    const started = now()
    const key = taskKey(task)
    const before = this.#stateOf(task)
    this.#state[key] = {
      ...before,
      running: { slot: slot.toISOString(), started: started.toISOString() },
      lastStarted: started.toISOString(),
    }
    await this.#save()
    events.started(task, slot)
    const outcome = await task.run(signal, before.part)
    const complete = !signal.aborted || isSuccess(outcome)
    const hookFailed = complete && (await this.#hook(task, outcome, { slot, started }))
    const finished = now()
    const run = { task, slot, started, finished, outcome, complete, hookFailed }
    this.#state[key] = this.#after(run, before)
    if (this.#job.once) this.#done.add(task)
    events.finished(run)
    await this.#save()
    return run
  }

  #after(run: FinishedRun, before: TaskState): TaskState {
    const { task, slot, started, finished, outcome, complete, hookFailed } = run
    if (!complete) return { ...before, running: null, lastStarted: started.toISOString() }
    const success = isSuccess(outcome)
    const retries = mayRetry(outcome) && before.attempts + 1 < MOST_ATTEMPTS
    const retryAt = new Date(finished.getTime() + this.#job.retryAfterMs).toISOString()
    return {
      base: retries ? before.base : slot.toISOString(),
      running: null,
      attempts: retries ? before.attempts + 1 : 0,
      retryAt: retries ? retryAt : null,
      lastStarted: started.toISOString(),
      lastFinished: finished.toISOString(),
      lastSuccess: success ? finished.toISOString() : before.lastSuccess,
      lastExitCode: outcome.exitCode,
      lastDurationMs: finished.getTime() - started.getTime(),
      runs: before.runs + 1,
      failures: before.failures + (success ? 0 : 1),
      hookFailures: before.hookFailures + (hookFailed ? 1 : 0),
      figures: success ? { ...before.figures, ...this.#job.figuresOf({ task, outcome }) } : before.figures,
      part: before.part + (success ? 1 : 0),
    }
  }

  /** True: it failed. */
  async #hook(task: ScheduledTask, outcome: TaskOutcome, times: { slot: Date; started: Date }) {
    const command = isSuccess(outcome) ? task.onSuccess : task.onFailure
    if (command === null) return false
    const { events, environment, signal } = this.#job
    const { profile, kind, hookTimeoutMs } = task
    const failure = await runHook({
      command,
      document: { profile, task: kind, ...times, exitCode: outcome.exitCode, result: outcome.document },
      environment,
      timeoutMs: hookTimeoutMs,
      onLine: (line) => {
        events.hookLine(task, line)
      },
      signal,
    })
    if (failure !== null) events.hookFailed(task, `${command.join(' ')}: ${failure}`)
    return failure !== null
  }

  #nextRuns(): NextRun[] {
    const { tasks, now, host, once } = this.#job
    return tasks.map((task) => {
      const { base, retryAt } = this.#stateOf(task)
      const slot = nextSlot(task, new Date(base), now())
      const at = retryAt ?? new Date(slot.getTime() + (once ? 0 : jitterOf(task, slot, host)))
      return { task, slot, at: new Date(at) }
    })
  }

  #stateOf(task: ScheduledTask): TaskState {
    return this.#state[taskKey(task)] ?? newTaskState(this.#job.now())
  }

  async #save(): Promise<void> {
    await writeState(this.#job.stateDir, this.#state)
    await this.#job.events.changed(this.#state, this.#nextRuns())
  }
}
