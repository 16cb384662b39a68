import type { CompletionNode, Flag } from './completion-tree.js'

/** A script for `source <(chroma-ops completion bash)`. */
export function bashScript(nodes: readonly CompletionNode[]): string {
  return `# bash completion for chroma-ops: source <(chroma-ops completion bash)
_chroma_ops() {
  local current="\${COMP_WORDS[COMP_CWORD]}" before="\${COMP_WORDS[COMP_CWORD - 1]}"
  local at='' word index
  COMPREPLY=()
  for ((index = 1; index < COMP_CWORD; index++)); do
    word="\${COMP_WORDS[index]}"
    case "$at/$word" in
${nodes.flatMap(steps).join('\n')}
    esac
  done
  case "$before" in
${valueCases(nodes).join('\n')}
  esac
  local words=''
  case "$at" in
${nodes.map(wordCase).join('\n')}
  esac
  COMPREPLY=($(compgen -W "$words" -- "$current"))
}
complete -F _chroma_ops chroma-ops
`
}

function steps({ path, commands }: CompletionNode): string[] {
  return commands.map(({ word }) => {
    const next = path === '' ? word : `${path} ${word}`
    return `      '${path}/${word}') at='${next}' ;;`
  })
}

function wordCase({ path, commands, flags, choices }: CompletionNode): string {
  const words = [...commands.map(({ word }) => word), ...choices, ...flags.map(({ word }) => word)]
  return `    '${path}') words='${words.join(' ')}' ;;`
}

/** What follows a flag is the same wherever the flag is. */
function valueCases(nodes: readonly CompletionNode[]): string[] {
  const flags = new Map(nodes.flatMap((node) => node.flags).map((flag) => [flag.word, flag]))
  return [...flags.values()].flatMap((flag) => {
    const reply = replyFor(flag)
    return reply === null ? [] : [`    ${flag.word}) ${reply}; return ;;`]
  })
}

function replyFor({ value }: Flag): string | null {
  if (value === null) return null
  if (value === 'text') return ':'
  if (value === 'file') return 'compopt -o filenames 2>/dev/null; COMPREPLY=($(compgen -f -- "$current"))'
  if (value === 'folder') return 'compopt -o filenames 2>/dev/null; COMPREPLY=($(compgen -d -- "$current"))'
  return `COMPREPLY=($(compgen -W '${value.join(' ')}' -- "$current"))`
}
