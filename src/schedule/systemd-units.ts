import { calendarOf } from './calendar.js'
import type { ScheduledTask } from './task.js'

export interface SystemdJob {
  readonly tasks: readonly ScheduledTask[]
  /** An absolute path. */
  readonly command: string
  /** Flags of every command: where the configuration is. */
  readonly flags: readonly string[]
}

/** A service and a timer for each task, each below the name of its file. */
export function systemdUnits({ tasks, command, flags }: SystemdJob): ReadonlyMap<string, string> {
  const units = new Map<string, string>()
  for (const task of tasks) {
    const name = `chroma-ops-${slug(task.profile)}-${task.kind}`
    units.set(`${name}.service`, service(task, [command, ...task.words, ...flags]))
    units.set(`${name}.timer`, timer(task))
  }
  return units
}

function service({ profile, kind }: ScheduledTask, words: readonly string[]): string {
  return `[Unit]
Description=chroma-ops ${kind} of ${profile}
After=network-online.target
Wants=network-online.target

[Service]
Type=oneshot
ExecStart=${words.map(quoted).join(' ')}
Environment=CHROMA_OPS_STATE_DIR=%S/chroma-ops CHROMA_OPS_CACHE_DIR=%C/chroma-ops CHROMA_OPS_LOG_FORMAT=json
EnvironmentFile=-/etc/chroma-ops/environment
DynamicUser=yes
User=chroma-ops
StateDirectory=chroma-ops
CacheDirectory=chroma-ops
# A repository on a local disk: name its folder.
#ReadWritePaths=/var/backups/chroma
NoNewPrivileges=yes
ProtectSystem=strict
ProtectHome=read-only
PrivateTmp=yes
TimeoutStartSec=infinity
TimeoutStopSec=15
`
}

function timer({ profile, kind, pattern, timezone, jitterMs }: ScheduledTask): string {
  return `[Unit]
Description=chroma-ops ${kind} of ${profile}

[Timer]
OnCalendar=${calendarOf(pattern, timezone)}
RandomizedDelaySec=${Math.round(jitterMs / 1000)}
# What was missed while the machine was off is made up for.
Persistent=true

[Install]
WantedBy=timers.target
`
}

/** A word that systemd reads back as it is. */
function quoted(word: string): string {
  const escaped = word.replaceAll('%', '%%').replaceAll('$', '$$$$')
  return /^[\w@%+=:,./$~-]+$/.test(escaped) ? escaped : `"${escaped.replaceAll(/["\\]/g, String.raw`\$&`)}"`
}

export function slug(text: string): string {
  const plain = text
    .toLowerCase()
    .replaceAll(/[^a-z0-9]+/g, '-')
    .replaceAll(/^-+|-+$/g, '')
  return plain.slice(0, 30).replaceAll(/-+$/g, '') || 'default'
}
