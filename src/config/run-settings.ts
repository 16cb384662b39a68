import { toggle, value, valueOr } from './setting.js'
import { durationOf, nonEmpty, oneOf } from './values.js'

/** What a run may do, how long, what it says, and where it writes. */
export const runSettings = {
  readOnly: toggle({
    flags: '--read-only',
    environment: 'CHROMA_OPS_READ_ONLY',
    key: 'read_only',
    description: 'refuse whatever changes a server or a repository',
  }),
  timeout: value(durationOf, {
    flags: '--timeout <duration>',
    environment: 'CHROMA_OPS_TIMEOUT',
    key: 'timeout',
    description: 'for the whole run; ends it with exit code 18 (default: none)',
  }),
  quiet: toggle({
    flags: '--quiet',
    environment: 'CHROMA_OPS_QUIET',
    key: 'quiet',
    description: 'no progress, only warnings and errors on stderr',
  }),
  verbose: toggle({
    flags: '--verbose',
    environment: 'CHROMA_OPS_VERBOSE',
    key: 'verbose',
    description: 'more on stderr',
  }),
  noColor: toggle({
    flags: '--no-color',
    environment: 'NO_COLOR',
    presence: true,
    key: 'no_color',
    description: 'no colours (also NO_COLOR)',
  }),
  noProgress: toggle({
    flags: '--no-progress',
    environment: 'CHROMA_OPS_NO_PROGRESS',
    key: 'no_progress',
    description: 'no progress bars or lines',
  }),
  logFormat: valueOr('text', oneOf('text', 'json'), {
    flags: '--log-format <format>',
    environment: 'CHROMA_OPS_LOG_FORMAT',
    key: 'log_format',
    description: 'of stderr: text or json (default: text)',
  }),
  stateDir: value(nonEmpty, {
    flags: '--state-dir <folder>',
    environment: 'CHROMA_OPS_STATE_DIR',
    key: 'state_dir',
    path: true,
    description: 'for what must outlive a run',
  }),
  cacheDir: value(nonEmpty, {
    flags: '--cache-dir <folder>',
    environment: 'CHROMA_OPS_CACHE_DIR',
    key: 'cache_dir',
    path: true,
    description: 'for what can be made again',
  }),
  tempDir: value(nonEmpty, {
    flags: '--temp-dir <folder>',
    environment: 'CHROMA_OPS_TEMP_DIR',
    key: 'temp_dir',
    path: true,
    description: 'for what a run needs while it lasts',
  }),
  actor: value(nonEmpty, {
    environment: 'CHROMA_OPS_ACTOR',
    description: 'who acts, for the audit log (default: the user id)',
  }),
}
