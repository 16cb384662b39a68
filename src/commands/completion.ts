import { Argument, Command } from 'commander'

import { act } from './command.js'
import type { CompletionNode } from './completion-tree.js'
import type { Launcher } from './context.js'

/** `program` is asked when the command runs: the tree is complete only then. */
export function completionCommand(launcher: Launcher, program: () => Command): Command {
  const command = new Command('completion')
    .description('print a completion script for a shell')
    .addArgument(new Argument('<shell>', 'bash, zsh or fish').choices(['bash', 'zsh', 'fish']))
  return act(command, launcher, async ({ output }, shell = '') => {
    const { completionTree } = await import('./completion-tree.js')
    const script = await scriptFor(shell, completionTree(program()))
    output.result({ shell, script }, () => script.trimEnd())
  })
}

async function scriptFor(shell: string, nodes: readonly CompletionNode[]): Promise<string> {
  if (shell === 'zsh') return (await import('./completion-zsh.js')).zshScript(nodes)
  if (shell === 'fish') return (await import('./completion-fish.js')).fishScript(nodes)
  return (await import('./completion-bash.js')).bashScript(nodes)
}
