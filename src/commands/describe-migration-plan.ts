import type {
  MigrationPlan,
  PlannedEmbedding,
  PlannedMigration,
  PlannedStep,
  PlanNote,
  SampledRecords,
} from '../migrations/plan/migration-plan.js'
import { duration, grouped, plural, shortBytes } from '../output/format.js'
import type { Style } from '../output/style.js'

/** What follows a plan: the command that does it. */
export interface PlanAdvice {
  readonly apply: string
}

/** `http://127.0.0.1:8000 default_tenant/default_database`. */
export function placeText(place: {
  readonly displayUrl: string
  readonly tenant: string
  readonly database: string
}): string {
  return `${place.displayUrl} ${place.tenant}/${place.database}`
}

export function describePlan(plan: MigrationPlan, style: Style, { apply }: PlanAdvice): string {
  const { migrations, from, to, environment, lock } = plan
  const facts = [`lock: ${lock}`, ...(environment === null ? [] : [`environment: ${environment}`])]
  if (migrations.length === 0)
    return `${placeText(plan)} is at ${from ?? 'no version'}; nothing is to be done   (${facts.join(', ')})`
  return [
    `plan for ${placeText(plan)}: ${from ?? 'nothing'} → ${to ?? 'nothing'}   (${facts.join(', ')})`,
    ...migrations.flatMap((migration) => migrationLines(migration, style)),
    backupLine(plan, style),
    ...destructiveLines(plan, style),
    ...warningsBeside(migrations, plan.warnings).map(
      (note) => `${style.warning('warning:')} ${noteText(note)}`,
    ),
    plan.backup.problem === null && !plan.warnings.some(({ code }) => code === 'NO_HISTORY')
      ? `nothing has been changed; apply it with: ${apply}`
      : `nothing has been changed; as it is, up would refuse this: ${apply}`,
  ].join('\n')
}

function migrationLines(migration: PlannedMigration, style: Style): string[] {
  const { version, name, description, action, steps, startup } = migration
  const facts = [
    ...(action === 'resume' ? ['goes on from an earlier run'] : []),
    wayBack(migration.reversible),
    ...(startup === 'never' ? ['never at the start of an application'] : []),
  ]
  const head = ` ${style.bold(`${version} ${name}`)}`
  if (action === 'skip') return [`${head}   skipped: not for this environment`]
  return [
    `${head}   ${facts.join(' · ')}`,
    ...(description === '' ? [] : [`   ${style.dim(description)}`]),
    ...stepLines(steps, style),
  ]
}

/** `irreversible`, `restore`, `always`, or a time. */
function wayBack(reversible: string): string {
  if (reversible === 'irreversible') return 'no way back'
  if (reversible === 'restore') return 'can be taken back from the backup (down --restore)'
  return reversible === 'always' ? 'can be taken back' : `can be taken back until ${reversible.slice(0, 10)}`
}

function stepLines(steps: readonly PlannedStep[], style: Style): string[] {
  const width = Math.max(0, ...steps.map(({ title }) => title.length))
  return steps.flatMap((step) => {
    const number = String(step.number).padStart(4)
    const facts = [
      ...(step.done ? [style.good('done')] : []),
      ...step.changes,
      ...(step.records === null ? [] : [plural(step.records, 'record')]),
      ...(step.sample === null ? [] : sampleTexts(step.sample, step.embedding !== null)),
      ...(step.opaque ? [style.warning('not simulated')] : []),
      ...(step.destructive ? [style.bad('destructive')] : []),
    ]
    const first = `${number} ${step.title.padEnd(width)}   ${facts.join('  ')}`.trimEnd()
    const more = [
      ...(step.embedding === null ? [] : [embeddingText(step.embedding, isEstimate(step))]),
      ...costs(step),
      ...step.notes,
    ]
    return [first, ...more.map((line) => `       ${line}`)]
  })
}

/** That vectors are made anew is told elsewhere. */
function sampleTexts({ records, changed, dropped }: SampledRecords, embeds: boolean): string[] {
  const share = (part: number) => `${grouped(part)} (${Math.round((part / Math.max(records, 1)) * 100)} %)`
  const facts = [
    ...(changed === 0 ? [] : [`changes ${share(changed)}`]),
    ...(dropped === 0 ? [] : [`leaves out ${share(dropped)}`]),
  ]
  if (facts.length === 0) return embeds ? [] : [`unchanged in ${grouped(records)} tried`]
  return [`${facts.join(', ')} of ${grouped(records)} tried`]
}

/** How many texts repeat is known of those that were looked at. */
function isEstimate({ records, sample }: PlannedStep): boolean {
  return records !== null && sample !== null && sample.records < records
}

function embeddingText(embedding: PlannedEmbedding, estimated: boolean): string {
  const { model, texts, uniqueTexts, cached, tokens, cost, seconds } = embedding
  const known = cached === 0 ? '' : `, ${grouped(cached)} paid for already`
  const facts = [
    `embeds ${estimated ? 'about ' : ''}${grouped(uniqueTexts)} different texts (${grouped(texts - uniqueTexts)} repeated${known}) with ${model}`,
    `about ${grouped(tokens)} tokens`,
    ...(cost === null ? [] : [`cost about ${cost.toFixed(2)}`]),
    ...(seconds === null ? [] : [`about ${duration(seconds * 1000)}`]),
  ]
  return facts.join(', ')
}

function costs({ peakBytes, gapMs }: PlannedStep): string[] {
  const facts = [
    ...(peakBytes === null ? [] : [`${shortBytes(peakBytes)} beside what is there`]),
    ...(gapMs === null
      ? []
      : [
          `the name is missing for about ${duration(gapMs)}; programs that hold the collection open it again`,
        ]),
  ]
  return facts.length === 0 ? [] : [facts.join('; ')]
}

function backupLine({ backup }: MigrationPlan, style: Style): string {
  const { needed, collections, problem } = backup
  if (!needed) return 'backup: none is needed'
  const named = `${plural(collections.length, 'collection')} (${collections.join(', ')})`
  const what = `${collections.includes('*') ? 'every collection' : named} before the first change`
  return problem === null ? `backup: ${what}` : `backup: ${what}: ${style.bad('cannot be made')}: ${problem}`
}

function destructiveLines({ destructive }: MigrationPlan, style: Style): string[] {
  if (destructive.length === 0) return ['destructive: nothing']
  return [
    ...destructive.map((note) => `${style.bad('destructive:')} ${noteText(note)}`),
    'up refuses this without --allow-destructive',
  ]
}

/** Those that are not told beside their step already. */
function warningsBeside(
  migrations: readonly PlannedMigration[],
  warnings: readonly PlanNote[],
): readonly PlanNote[] {
  const told = migrations.flatMap(({ version, steps }) =>
    steps.flatMap(({ number, notes }) => notes.map((note) => `${version} ${number} ${note}`)),
  )
  return warnings.filter((note) => !told.includes(`${note.version} ${note.step ?? ''} ${bare(note)}`))
}

function noteText(note: PlanNote): string {
  return `${place(note)}: ${bare(note)} (${note.code})`
}

function bare(note: PlanNote): string {
  const prefix = `${place(note)}: `
  return note.message.startsWith(prefix) ? note.message.slice(prefix.length) : note.message
}

function place({ version, step }: PlanNote): string {
  return `${version}${step === null ? '' : ` step ${step}`}`
}
