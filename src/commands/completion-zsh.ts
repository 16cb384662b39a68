import type { CompletionNode, Flag } from './completion-tree.js'

/** A script for a file `_chroma-ops` in a folder of `$fpath`, or for `source <(chroma-ops completion zsh)`. */
export function zshScript(nodes: readonly CompletionNode[]): string {
  return `#compdef chroma-ops
_chroma-ops() {
  local at='' word
  local -a entries
  for word in "\${(@)words[2,CURRENT-1]}"; do
    case "$at/$word" in
${nodes.flatMap(steps).join('\n')}
    esac
  done
  case "\${words[CURRENT-1]}" in
${valueCases(nodes).join('\n')}
  esac
  case "$at" in
${nodes.map(entriesCase).join('\n')}
  esac
  _describe 'chroma-ops' entries
}
if [ "$funcstack[1]" = '_chroma-ops' ]; then _chroma-ops "$@"; else compdef _chroma-ops chroma-ops; fi
`
}

function steps({ path, commands }: CompletionNode): string[] {
  return commands.map(({ word }) => {
    const next = path === '' ? word : `${path} ${word}`
    return `      '${path}/${word}') at='${next}' ;;`
  })
}

function entriesCase({ path, commands, flags, choices }: CompletionNode): string {
  const entries = [
    ...[...commands, ...flags].map(
      ({ word, description }) => `${word}:${description.replaceAll(':', '\\:')}`,
    ),
    ...choices,
  ]
  return `    '${path}') entries=(${entries.map(quoted).join(' ')}) ;;`
}

function valueCases(nodes: readonly CompletionNode[]): string[] {
  const flags = new Map(nodes.flatMap((node) => node.flags).map((flag) => [flag.word, flag]))
  return [...flags.values()].flatMap((flag) => {
    const reply = replyFor(flag)
    return reply === null ? [] : [`    ${flag.word}) ${reply}; return ;;`]
  })
}

function replyFor({ value }: Flag): string | null {
  if (value === null) return null
  if (value === 'text') return "_message 'value'"
  if (value === 'file') return '_files'
  if (value === 'folder') return '_files -/'
  return `compadd -- ${value.join(' ')}`
}

function quoted(text: string): string {
  return `'${text.replaceAll("'", `'\\''`)}'`
}
