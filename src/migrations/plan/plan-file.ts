import * as v from 'valibot'

import { OpsError, UsageError } from '../../core/errors.js'
import { ExitCode } from '../../core/exit-code.js'
import { PLAN_FORMAT, PLAN_FORMAT_VERSION } from './build-plan.js'
import type { MigrationPlan } from './migration-plan.js'

/** A plan of a newer chroma-ops. */
export class PlanUnsupportedError extends OpsError {
  override readonly code = 'PLAN_UNSUPPORTED'
  override readonly exitCode = ExitCode.notSupported
}

/** The text of a plan file: JSON, the same for the same plan. */
export function planText(plan: MigrationPlan): string {
  return `${JSON.stringify(plan, null, 2)}\n`
}

/** Throws a UsageError (2) when the text is no plan, or a {@link PlanUnsupportedError} (16) for a newer format. */
export function parsePlan(text: string, name: string): MigrationPlan {
  const json = jsonOf(text, name)
  const head = v.safeParse(v.object({ format: v.literal(PLAN_FORMAT), formatVersion: v.number() }), json)
  if (!head.success) throw notAPlan(name, 'it does not say that it is one')
  if (head.output.formatVersion > PLAN_FORMAT_VERSION)
    throw new PlanUnsupportedError(`${name} was made by a newer chroma-ops`, {
      hint: 'apply it with that release, or make a plan with this one',
    })
  const plan = v.safeParse(planSchema, json)
  if (plan.success) return plan.output
  const [issue] = plan.issues
  throw notAPlan(name, `${v.getDotPath(issue) ?? ''}: ${issue.message}`)
}

function jsonOf(text: string, name: string): unknown {
  try {
    return JSON.parse(text)
  } catch (error) {
    throw notAPlan(name, 'it is not JSON', error)
  }
}

function notAPlan(name: string, why: string, cause?: unknown): UsageError {
  return new UsageError(`${name} is no plan of chroma-ops: ${why}`, {
    cause,
    hint: 'make one with "chroma-ops migrate plan --out <file>"',
  })
}

const text = v.string()
const number = v.number()
const orNull = <Schema extends v.GenericSchema>(schema: Schema) => v.nullable(schema)

const note = v.object({ version: text, step: orNull(number), code: text, message: text })

const step = v.object({
  number,
  title: text,
  done: v.boolean(),
  opaque: v.boolean(),
  destructive: v.boolean(),
  changes: v.array(text),
  records: orNull(number),
  sample: orNull(v.object({ records: number, changed: number, dropped: number })),
  embedding: orNull(
    v.object({
      ...{ model: text, texts: number, uniqueTexts: number, cached: number, tokens: number },
      ...{ cost: orNull(number), seconds: orNull(number) },
    }),
  ),
  peakBytes: orNull(number),
  gapMs: orNull(number),
  notes: v.array(text),
})

const migration = v.object({
  ...{ version: text, name: text, description: text, checksum: text, reversible: text },
  action: v.picklist(['apply', 'resume', 'skip']),
  startup: v.picklist(['allowed', 'never']),
  steps: v.array(step),
})

const collection = v.object({
  ...{ name: text, id: text, space: text, configuration: text, count: number },
  dimension: orNull(number),
})

const planSchema: v.GenericSchema<unknown, MigrationPlan> = v.object({
  ...{ format: text, formatVersion: number, createdAt: text, displayUrl: text },
  ...{ tenant: text, database: text, environment: orNull(text), from: orNull(text), to: orNull(text) },
  migrations: v.array(migration),
  collections: v.array(collection),
  backup: v.object({
    ...{ needed: v.boolean(), versions: v.array(text), collections: v.array(text), problem: orNull(text) },
  }),
  lock: text,
  destructive: v.array(note),
  warnings: v.array(note),
})
