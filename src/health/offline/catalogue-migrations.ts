import type { CatalogueEntry } from './catalogue-entry.js'

const STATUS = 'chroma-ops migrate status --tenant {tenant} --database {database} --url URL'

/** What restores and migrations are at work on, or have left; a server's listings show most of it to nobody. */
export const leftoverEntries = {
  RESTORE_UNFINISHED: {
    severity: 'info',
    meaning: 'A collection was being built by a restore or a copy.',
    consequence: 'It takes space and is not the collection that it is to become.',
    advice: 'if no restore and no copy is running, run the same command again: it goes on where it stopped',
    command: null,
  },
  MIGRATION_LOCKED: {
    severity: 'info',
    meaning: 'A run holds the lock of migrations, or held it when it died.',
    consequence: 'Others wait for it; when it is dead, the next one replaces it by itself.',
    advice: 'see what it is at, with a server on the directory',
    command: STATUS,
  },
  MIGRATION_LOCK_LEFT: {
    severity: 'info',
    meaning: 'The old lock of a run of migrations.',
    consequence: 'It is empty and stops nobody.',
    advice: 'the next migration removes it; so does cleanup runs, with a server on the directory',
    command: 'chroma-ops cleanup runs --apply --tenant {tenant} --database {database} --url URL',
  },
  MIGRATION_UNFINISHED: {
    severity: 'info',
    meaning: 'A collection was being built by a migration.',
    consequence: 'It takes space and is not the collection that it is to become.',
    advice:
      'see where it stopped, with a server on the directory; "migrate up" goes on from there, "migrate abort" leaves the source as it was',
    command: STATUS,
  },
  MIGRATION_KEPT_TOO_LONG: {
    severity: 'info',
    meaning: 'A collection that a migration has replaced or dropped was to be kept until a day that is over.',
    consequence: 'It takes space.',
    advice: 'remove it, with a server on the directory; there is no way back behind that migration then',
    command: 'chroma-ops migrate complete --apply --tenant {tenant} --database {database} --url URL',
  },
} as const satisfies Record<string, CatalogueEntry>
