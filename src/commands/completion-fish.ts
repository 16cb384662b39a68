import type { CompletionNode, Flag } from './completion-tree.js'

/** A script for `chroma-ops completion fish | source`. */
export function fishScript(nodes: readonly CompletionNode[]): string {
  return `# fish completion for chroma-ops: chroma-ops completion fish | source
function __chroma_ops_at
  set -l at ''
  for word in (commandline -opc)[2..-1]
    switch "$at/$word"
${nodes.flatMap(steps).join('\n')}
    end
  end
  test "$at" = "$argv[1]"
end
complete -c chroma-ops -f
${nodes.flatMap(lines).join('\n')}
`
}

function steps({ path, commands }: CompletionNode): string[] {
  return commands.map(({ word }) => {
    const next = path === '' ? word : `${path} ${word}`
    return `      case '${path}/${word}'\n        set at '${next}'`
  })
}

function lines({ path, commands, flags, choices }: CompletionNode): string[] {
  const here = `complete -c chroma-ops -n "__chroma_ops_at '${path}'"`
  return [
    ...commands.map(({ word, description }) => `${here} -a ${word} -d ${quoted(description)}`),
    ...choices.map((choice) => `${here} -a ${choice}`),
    ...flags.map(
      (flag) => `${here} -l ${flag.word.replace(/^--/, '')}${valueOf(flag)} -d ${quoted(flag.description)}`,
    ),
  ]
}

function valueOf({ value }: Flag): string {
  if (value === null) return ''
  if (value === 'file' || value === 'folder') return ' -r -F'
  return value === 'text' ? ' -x' : ` -x -a ${quoted(value.join(' '))}`
}

function quoted(text: string): string {
  return `'${text.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`
}
