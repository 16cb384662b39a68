import { connectionSettings } from './connection-settings.js'
import { migrationSettings } from './migration-settings.js'
import { repositorySettings } from './repository-settings.js'
import { retentionSettings } from './retention-settings.js'
import { runSettings } from './run-settings.js'
import { scheduleSettings } from './schedule-settings.js'
import type { Setting } from './setting.js'
import { storeSettings } from './store-settings.js'
import { targetSettings } from './target-settings.js'

/** Every setting that all commands share. What overrides a guard is a flag of its command, never a setting. */
export const catalogue = {
  ...targetSettings,
  ...repositorySettings,
  ...storeSettings,
  ...connectionSettings,
  ...runSettings,
  ...retentionSettings,
  ...scheduleSettings,
  ...migrationSettings,
}

export const allSettings: readonly (readonly [name: string, setting: Setting<unknown>])[] =
  Object.entries(catalogue)
