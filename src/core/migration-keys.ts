/**
 * Metadata keys of the collections that migrations keep beside the user's own. They live here because backup,
 * health and cleanup have to know them too.
 */

/** The lock, and what is left of old ones; the value is the version of its format. */
export const LOCK_KEY = 'chroma-ops:lock'
/** The state collection; the value is the version of its format. */
export const STATE_KEY = 'chroma-ops:state'
/** A collection that was replaced by a copy; the value is the version of the migration. */
export const KEPT_KEY = 'chroma-ops:kept'
/** A collection that a migration dropped; the value is the version of the migration. */
export const TRASH_KEY = 'chroma-ops:trash'
/** Beside {@link KEPT_KEY} and {@link TRASH_KEY}: until when it is kept, ISO 8601. Absent: for ever. */
export const KEEP_UNTIL_KEY = 'chroma-ops:keep-until'

/** Digests of what a copy-and-swap has copied; it goes with the kept collection. The value is the version of its format. */
export const LEDGER_KEY = 'chroma-ops:ledger'

export const LOCK_NAME = 'chroma-ops.lock'
export const STATE_NAME = 'chroma-ops.state'
/** Followed by the id of the lock: it was taken from a run that gave no sign of life. */
export const STALE_LOCK_PREFIX = `${LOCK_NAME}.stale.`
/** Followed by the id of the lock: its run has given it back. */
export const DONE_LOCK_PREFIX = `${LOCK_NAME}.done.`
