import { Command } from 'commander'

import type { CommandContext, Launcher } from './context.js'
import { UnknownWordError } from './errors.js'

/**
 * Gives a command its work. Words that the command does not take are refused here, because commander's
 * own message has no suggestion. `endless`: `--timeout` is for the parts of the work, not for all of it.
 */
export function act(
  command: Command,
  launcher: Launcher,
  work: (context: CommandContext, ...words: (string | undefined)[]) => Promise<void>,
  endless = false,
): Command {
  return command.action(async () => {
    const { registeredArguments } = command
    const takesAny = registeredArguments.some(({ variadic }) => variadic)
    const surplus = takesAny ? undefined : command.args[registeredArguments.length]
    if (surplus !== undefined) throw new UnknownWordError(surplus, nameOf(command), wordsFor(command))
    await launcher.run(command, (context) => work(context, ...command.args), endless)
  })
}

/** A command that only has subcommands. */
export function group(name: string, description: string, ...commands: readonly Command[]): Command {
  const parent = new Command(name).description(description).helpCommand(false)
  for (const command of commands) parent.addCommand(command)
  return parent
}

const defaults = new WeakMap<Command, Command>()

/** The command that runs when its group is named alone; the help of the group shows its flags. */
export function defaultOf(parent: Command): Command | undefined {
  return defaults.get(parent)
}

export function addDefault(parent: Command, command: Command): Command {
  defaults.set(parent, command)
  return parent.addCommand(command, { isDefault: true })
}

/** What could have been meant: `list` for `backup lst`, where the word reached the default command. */
function wordsFor(command: Command): string[] {
  const { parent } = command
  return parent === null || !isDefaulted(command) ? [] : parent.commands.map((sibling) => sibling.name())
}

/** `backup create`, or `backup` when that is what was written. */
function nameOf(command: Command): string {
  const { parent } = command
  if (parent?.parent == null) return command.name()
  return isDefaulted(command) ? nameOf(parent) : `${nameOf(parent)} ${command.name()}`
}

/** The command runs because its group was named without a subcommand. */
function isDefaulted(command: Command): boolean {
  const { parent } = command
  return parent !== null && defaultOf(parent) === command && parent.args[0] !== command.name()
}
