import { Command } from 'commander'

import type { NewKeyFlags } from '../config/repository-key.js'
import { withAudit } from './audit.js'
import { act, group } from './command.js'
import type { CommandContext, Launcher } from './context.js'

interface AddFlags extends NewKeyFlags {
  readonly label?: string
}

interface RemoveFlags {
  readonly apply?: boolean
  readonly singleWriter?: boolean
}

/** A key slot as commands show it. */
interface ShownKey {
  readonly slot: string
  readonly label: string
  readonly kind: string
  readonly created: string
}

export function repoKeyCommand(launcher: Launcher): Command {
  return group(
    'key',
    'the keys that open an encrypted repository',
    addCommand(launcher),
    generateCommand(launcher),
    listCommand(launcher),
    removeCommand(launcher),
  )
}

function addCommand(launcher: Launcher): Command {
  const command = new Command('add')
    .description('let another passphrase or key file open the repository; the backups stay as they are')
    .option('--label <text>', 'a name for the key (default: the actor and the time)')
    .option('--new-passphrase-file <file>', 'a file with the new passphrase')
    .option('--new-passphrase-command <command>', 'a shell command that prints the new passphrase')
    .option('--new-key-file <file>', 'the new key file, from "repo key generate"')
  return act(command, launcher, async (context) => {
    context.changes('repo key add')
    const flags = command.opts<AddFlags>()
    const { repository, key } = await openEncrypted(context)
    const [{ addKey }, { givenNewKey }, { KeyMissingError }] = await Promise.all([
      import('../backup/key-slots.js'),
      import('./repository-access.js'),
      import('../backup/key-errors.js'),
    ])
    const newKey = await givenNewKey(context, flags)
    if (newKey === null) throw KeyMissingError.ofNew()
    const now = context.host.now()
    const label = flags.label ?? `${context.actor} ${now.toISOString().slice(0, 19)}Z`
    const work = () =>
      addKey({
        store: repository.store,
        repository: repository.id,
        key,
        newKey,
        label,
        now,
        signal: context.signal,
      })
    const audited = { repository, command: 'repo key add', details: { label } }
    const slot = await withAudit(context, audited, work, (added) => ({ slot: added.slot }))
    context.output.result(
      { repository: repository.store.displayUrl, key: shown(slot) },
      (result) => `added the ${kindText(result.key.kind)} "${result.key.label}" as ${result.key.slot}`,
    )
  })
}

function generateCommand(launcher: Launcher): Command {
  const command = new Command('generate')
    .description('write a new key file, which only you can read')
    .argument('<file>', 'must not exist yet')
  return act(command, launcher, async (context, file = '') => {
    const { writeKeyFile } = await import('./write-key-file.js')
    await writeKeyFile(file, context.host.now())
    context.output.result(
      { file },
      (result) =>
        `wrote ${result.file}\nKeep a copy of it in another place: without a key, nobody can read the backups.`,
    )
  })
}

function listCommand(launcher: Launcher): Command {
  const command = new Command('list').description('the keys of the repository; needs none of them')
  return act(command, launcher, async (context) => {
    const store = await context.openRepositoryStore()
    const [{ readSlots }, { describeRepository }, { table }] = await Promise.all([
      import('../backup/key-slots.js'),
      import('../backup/repository.js'),
      import('../output/table.js'),
    ])
    const { id, isEncrypted } = await describeRepository({ store, signal: context.signal })
    const { slots, faults } = await readSlots(store, id, context.signal)
    for (const { key, fault } of faults)
      context.output.warn({ code: 'KEY_SLOT_UNUSABLE', message: `${key} ${fault}` })
    const result = {
      repository: store.displayUrl,
      id,
      encrypted: isEncrypted,
      keys: slots.map(shown),
      unusable: faults,
    }
    context.output.result(result, ({ encrypted, keys }) =>
      encrypted
        ? table(
            ['slot', 'kind', 'created', 'label'],
            keys.map(({ slot, kind, created, label }) => [slot, kindText(kind), created, label]),
          )
        : 'the repository is not encrypted',
    )
  })
}

function removeCommand(launcher: Launcher): Command {
  const command = new Command('remove')
    .description('take the right to open the repository from a key; plans, unless --apply')
    .argument('<key>', 'its slot or its label')
    .option('--apply', 'do it')
    .option(
      '--single-writer',
      'for a store without conditional writes: promise that nobody else maintains it',
    )
  return act(command, launcher, async (context, wanted = '') => {
    const { apply = false, singleWriter = false } = command.opts<RemoveFlags>()
    if (apply) context.changes('repo key remove')
    const { repository, key } = await openEncrypted(context)
    const { planRemoval, removeKey } = await import('../backup/remove-key.js')
    const job = {
      repository,
      key,
      wanted,
      actor: context.actor,
      host: context.host.hostname,
      singleWriter,
      now: context.host.now,
      signal: context.signal,
    }
    const plan = await planRemoval(job)
    const details = { slot: plan.slot.slot, label: plan.slot.label }
    if (apply)
      await withAudit(context, { repository, command: 'repo key remove', details }, () => removeKey(job))
    const result = {
      repository: repository.store.displayUrl,
      applied: apply,
      key: shown(plan.slot),
      remaining: plan.remaining.map(shown),
    }
    context.output.result(result, (removal) => {
      const { kind, label, slot } = removal.key
      const what = `the ${kindText(kind)} "${label}" (${slot})`
      const left = removal.remaining.map((each) => `"${each.label}"`).join(', ')
      return removal.applied
        ? `removed ${what}; what remains: ${left}\nWhoever had this key could have kept the master key: after a leak, use "chroma-ops repo copy --new-key".`
        : `would remove ${what}; what remains: ${left}\nrun it again with --apply`
    })
  })
}

/** The repository, and the key that opened it. */
async function openEncrypted(context: CommandContext) {
  const { keyOnce, repositoryAccess } = await import('./repository-access.js')
  const { openRepository } = await import('../backup/repository.js')
  const { KeyMissingError, notEncrypted } = await import('../backup/key-errors.js')
  const store = await context.openRepositoryStore()
  const key = keyOnce(context)
  const repository = await openRepository({
    ...repositoryAccess(context),
    key,
    store,
    signal: context.signal,
  })
  if (repository.cipher === null) throw notEncrypted(store.displayUrl, 'repo key')
  const given = await key()
  if (given === null) throw new KeyMissingError(store.displayUrl)
  return { repository, key: given }
}

function shown({ slot, label, kind, created }: ShownKey): ShownKey {
  return { slot, label, kind, created }
}

function kindText(kind: string): string {
  return kind === 'key-file' ? 'key file' : kind
}
