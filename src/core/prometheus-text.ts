/** One time series and its value. */
export interface Sample {
  readonly labels: Readonly<Record<string, string>>
  readonly value: number
}

/** A metric: its name without the prefix `chroma_ops_`, and its time series. */
export interface Family {
  readonly name: string
  readonly type: 'gauge' | 'counter'
  readonly help: string
  readonly samples: readonly Sample[]
}

/**
 * Prometheus text format 0.0.4. Families of one name become one, for a name must not occur twice; families
 * without samples are left out. Ends with a line break unless there is nothing to tell.
 */
export function prometheusText(families: readonly Family[]): string {
  const byName = new Map<string, Family[]>()
  for (const family of families) byName.set(family.name, [...(byName.get(family.name) ?? []), family])
  return [...byName.values()].map(textOf).join('')
}

export function gauge(name: string, help: string, samples: readonly Sample[]): Family {
  return { name, type: 'gauge', help, samples }
}

export function counter(name: string, help: string, samples: readonly Sample[]): Family {
  return { name, type: 'counter', help, samples }
}

/** None for a value that is not known. */
export function sample(labels: Readonly<Record<string, string>>, value: number | null): Sample[] {
  return value === null ? [] : [{ labels, value }]
}

export function inSeconds(ms: number | null): number | null {
  return ms === null ? null : ms / 1000
}

/** Two findings of one kind about one thing count as one sample: a series must not occur twice. */
function textOf(families: readonly Family[]): string {
  const [first] = families
  const samples = families.flatMap(({ samples }) => samples)
  if (first === undefined || samples.length === 0) return ''
  const { name, type, help } = first
  const lines = samples.map(({ labels, value }) => `chroma_ops_${name}${labelText(labels)} ${value}\n`)
  return `# HELP chroma_ops_${name} ${help}\n# TYPE chroma_ops_${name} ${type}\n${[...new Set(lines)].join('')}`
}

function labelText(labels: Readonly<Record<string, string>>): string {
  const pairs = Object.entries(labels).map(([name, value]) => `${name}="${escaped(value)}"`)
  return pairs.length === 0 ? '' : `{${pairs.join(',')}}`
}

function escaped(value: string): string {
  return value
    .replaceAll('\\', String.raw`\\`)
    .replaceAll('"', String.raw`\"`)
    .replaceAll('\n', String.raw`\n`)
}
