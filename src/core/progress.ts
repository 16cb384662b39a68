/** What the library tells about its work; the CLI draws it, an application may ignore it. */
export interface Progress {
  /**
   * Called often. `done` never decreases within one `task`. `bytes` counts what was moved.
   * A task begins with its first event and ends with an event of `state: 'done'` or `'failed'`.
   */
  update(event: ProgressEvent): void
  /** Something the operator should know that does not stop the work. */
  warn(warning: Warning): void
}

export interface ProgressEvent {
  /** Identifies the line: a collection's display name, `verify`, or `all` for all of them. */
  readonly task: string
  readonly phase: 'list' | 'read' | 'write' | 'compare' | 'verify' | 'wait'
  readonly done: number
  readonly total?: number
  readonly unit: 'records' | 'objects' | 'collections' | 'bytes'
  readonly bytes?: number
  readonly state?: 'done' | 'failed'
}

export interface Warning {
  /** Stable, machine-readable. */
  readonly code: string
  readonly message: string
}

export const silentProgress: Progress = { update: () => {}, warn: () => {} }
