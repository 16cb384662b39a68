import type { Command, Option } from 'commander'

/** What can be written behind one command. */
export interface CompletionNode {
  /** The command without the program's name: `backup list`; empty for the program itself. */
  readonly path: string
  readonly commands: readonly Word[]
  readonly flags: readonly Flag[]
  /** Words that the command's own argument can be. */
  readonly choices: readonly string[]
}

export interface Word {
  readonly word: string
  readonly description: string
}

export interface Flag extends Word {
  /** What follows the flag; null: nothing. */
  readonly value: 'file' | 'folder' | 'text' | readonly string[] | null
}

/** Every command of the program, with the flags that hold there. */
export function completionTree(program: Command): CompletionNode[] {
  return nodesBelow(program, '', visibleFlags(program))
}

function nodesBelow(command: Command, path: string, shared: readonly Flag[]): CompletionNode[] {
  const visible = command.createHelp().visibleCommands(command)
  const isRoot = command.parent === null
  const node: CompletionNode = {
    path,
    commands: visible.map((child) => ({ word: child.name(), description: child.description() })),
    flags: isRoot ? shared : [...visibleFlags(command), ...shared],
    choices: command.registeredArguments.flatMap(({ argChoices }) => argChoices ?? []),
  }
  const children = command.commands.flatMap((child) =>
    nodesBelow(child, path === '' ? child.name() : `${path} ${child.name()}`, shared),
  )
  return [node, ...children]
}

function visibleFlags(command: Command): Flag[] {
  const options = command.createHelp().visibleOptions(command)
  return options.map((option) => ({
    word: option.long ?? option.flags,
    description: option.description,
    value: valueOf(option),
  }))
}

function valueOf({ flags, long, argChoices }: Option): Flag['value'] {
  if (argChoices !== undefined) return argChoices
  if (flags.includes('<file>')) return 'file'
  if (flags.includes('<folder>') || long === '--repo') return 'folder'
  return flags.includes('<') ? 'text' : null
}
