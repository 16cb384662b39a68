import { GuardError, IntegrityError, OpsError, type ErrorDetails } from '../core/errors.js'
import { ExitCode } from '../core/exit-code.js'

const WAYS =
  'give it with --passphrase-file FILE, --passphrase-command COMMAND, CHROMA_OPS_PASSPHRASE or --repo-key-file FILE'

const NEW_WAYS =
  'give it with --new-passphrase-file FILE, --new-passphrase-command COMMAND, CHROMA_OPS_NEW_PASSPHRASE or --new-key-file FILE'

/** The repository is encrypted, and nobody said with what. */
export class KeyMissingError extends OpsError {
  override readonly code = 'KEY_MISSING'
  override readonly exitCode = ExitCode.notAllowed

  constructor(what: string, message = `${what} is encrypted, and no key was given`, hint = WAYS) {
    super(message, { hint })
  }

  /** A key is to be added, or a repository made, and nobody said which. */
  static ofNew(): KeyMissingError {
    return new KeyMissingError('', 'no new key was given', NEW_WAYS)
  }
}

/** What was given opens none of the key slots. */
export class WrongKeyError extends OpsError {
  override readonly code = 'WRONG_KEY'
  override readonly exitCode = ExitCode.notAllowed

  constructor(what: string, key: string, slots: string) {
    super(`${key} does not open ${what}, which has ${slots}`, {
      hint: `${WAYS}; "chroma-ops repo key list" shows which keys there are`,
    })
  }
}

/** Key slots are missing, altered, or for another repository. */
export class KeysDamagedError extends IntegrityError {
  override readonly code = 'KEYS_DAMAGED'
}

/** No slot has this name or label. */
export class KeyNotFoundError extends OpsError {
  override readonly code = 'KEY_NOT_FOUND'
  override readonly exitCode = ExitCode.notFound
}

/** A passphrase or a key file that must not be used. */
export class KeyRefusedError extends OpsError {
  override readonly code = 'KEY_REFUSED'
  override readonly exitCode = ExitCode.usage
}

export function notEncrypted(what: string, because: string): GuardError {
  return new GuardError(
    'REPOSITORY_NOT_ENCRYPTED',
    `${what} is not encrypted, although ${because} asks for it`,
    {
      hint: 'check --repo; a plain repository becomes an encrypted one elsewhere, without that setting, by chroma-ops repo copy --repo PLAIN --to NEW --new-key',
    },
  )
}

export function otherRepository(what: string, id: string, expected: string, because: string): GuardError {
  return new GuardError(
    'REPOSITORY_OTHER',
    `${what} is repository ${id}, and ${because} asks for ${expected}`,
    {
      hint: 'check --repo; nothing was read from it or written to it',
    },
  )
}

/** A guard of `repo key`. */
export function keyGuard(code: string, message: string, details?: ErrorDetails): GuardError {
  return new GuardError(code, message, details)
}
