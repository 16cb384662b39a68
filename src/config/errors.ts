import { UsageError } from '../core/errors.js'

/** A setting is wrong; the message names where it came from. */
export class SettingError extends UsageError {
  override readonly code = 'SETTING_INVALID'
}

/** The configuration file cannot be read, is not valid, or must not be trusted. */
export class ConfigFileError extends UsageError {
  override readonly code = 'CONFIG_FILE'
}

/** A token or a header could not be had. */
export class SecretError extends UsageError {
  override readonly code = 'SECRET_UNAVAILABLE'
}
