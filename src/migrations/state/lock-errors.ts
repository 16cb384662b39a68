import { GuardError, OpsError, type ErrorDetails } from '../../core/errors.js'
import { ExitCode } from '../../core/exit-code.js'
import { LOCK_NAME } from '../../core/migration-keys.js'
import { describeHolder } from './describe-holder.js'
import type { LockInfo } from './lock-info.js'

/** Another run holds the lock, and was waited for as long as was asked. */
export class LockHeldError extends OpsError {
  override readonly code = 'MIGRATION_LOCKED'
  override readonly exitCode = ExitCode.locked
  readonly holder: LockInfo
  /** How long it has been silent for sure, by this process's own clock. */
  readonly silentMs: number

  constructor(holder: LockInfo, silentMs: number, watchedMs: number) {
    const { phase, ttlMs, since } = holder
    const at = phase === '' ? '' : `, at: ${phase}`
    const silence =
      watchedMs < 1000
        ? `its last sign of life was at ${holder.lastBeat} by its own clock`
        : `watched for ${seconds(watchedMs)}, silent for ${seconds(silentMs)}`
    super(`${describeHolder(holder)} migrates this database since ${since}${at}; ${silence}`, {
      hint:
        `wait for it with --lock-wait 5m: a run that is dead is replaced after ${seconds(ttlMs)} of silence; ` +
        `or, when you know that it is dead: chroma-ops migrate unlock --lock-id ${holder.id} --apply`,
    })
    this.holder = holder
    this.silentMs = silentMs
  }
}

/** This run had the lock and has it no longer, or cannot be sure: it must not write anything more. */
export class LockLostError extends OpsError {
  override readonly code = 'MIGRATION_LOCK_LOST'
  override readonly exitCode = ExitCode.locked

  constructor(reason: string, { cause }: ErrorDetails = {}) {
    super(`the lock of migrations was lost: ${reason}`, {
      cause,
      hint: 'see what the other run has done with "chroma-ops migrate status", then run it again: it goes on from there',
    })
  }
}

/** Something else has the name of the lock. */
export class LockForeignError extends GuardError {
  constructor(name: string) {
    super('MIGRATION_LOCK_FOREIGN', `the collection ${name} is not a lock of chroma-ops`, {
      hint: `rename that collection: chroma-ops needs the name ${LOCK_NAME}`,
    })
  }
}

/** `unlock` was given the id of a lock that is no longer there. */
export class LockChangedError extends OpsError {
  override readonly code = 'MIGRATION_LOCK_CHANGED'
  override readonly exitCode = ExitCode.locked

  constructor(lockId: string, now: LockInfo | null) {
    const instead = now === null ? 'nobody holds the lock now' : `it is held by ${describeHolder(now)} now`
    super(`there is no lock ${lockId}: ${instead}`, {
      hint:
        now === null
          ? 'nothing is to be done'
          : `look at "chroma-ops migrate status"; the lock's id is ${now.id} now`,
    })
  }
}

/** Written by a newer chroma-ops. */
export class StateUnsupportedError extends OpsError {
  override readonly code = 'MIGRATION_STATE_NEWER'
  override readonly exitCode = ExitCode.notSupported

  constructor(what: string, format: bigint) {
    super(`the ${what} of migrations in this database has format ${format}, of a newer chroma-ops`, {
      hint: 'upgrade chroma-ops: npm install chroma-ops@latest',
    })
  }
}

function seconds(ms: number): string {
  return `${Math.round(ms / 1000)} s`
}
