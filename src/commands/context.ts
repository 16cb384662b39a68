import type { Command } from 'commander'

import type { ChromaApi } from '../chroma/api.js'
import type { ServerOptions } from '../chroma/transport.js'
import type { Directories } from '../config/directories.js'
import type { Settings } from '../config/settings.js'
import type { ExitCode } from '../core/exit-code.js'
import type { Output } from '../output/output.js'
import type { BlobStore } from '../storage/blob-store.js'
import type { Host } from './host.js'

/** Which part of a server a command is about. */
export interface Scope {
  readonly tenants: readonly string[]
  /** Undefined: all of each tenant. */
  readonly databases: readonly string[] | undefined
}

/** What a command works with. Servers and stores that it opens are closed when it ends. */
export interface CommandContext {
  readonly output: Output
  readonly signal: AbortSignal
  readonly settings: Settings
  readonly host: Host
  readonly directories: Directories
  /** `CHROMA_OPS_ACTOR`, else `uid:1000`. */
  readonly actor: string
  /** How to reach the server that the settings name, or one at `url`; a UsageError when none is named. */
  serverOptions(url?: string): Promise<ServerOptions>
  /** The same server, after first contact. `pool` is covered by what the settings say of it. */
  openServer(url?: string, pool?: ServerOptions['pool']): Promise<ChromaApi>
  scope(): Promise<Scope>
  /** The store of `--repo`, or the one at `url`; a UsageError when none is named. */
  openRepositoryStore(url?: string): Promise<BlobStore>
  /** A folder for temporary files; a UsageError when no folder can be written to. */
  tempDir(): Promise<string>
  /** Refuses with exit code 15 when `--read-only` is on. `what` is the start of a sentence. */
  changes(what: string): void
  /** The exit code of a command that ends well but has something to tell. */
  finish(code: ExitCode): void
  onClose(close: () => Promise<void>): void
}

/** Runs the work of a command in its context. */
export interface Launcher {
  run(
    command: Command,
    work: (context: CommandContext) => Promise<void>,
    /** `--timeout` does not count. */
    endless?: boolean,
  ): Promise<void>
}
