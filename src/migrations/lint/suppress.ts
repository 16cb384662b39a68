import { lastLineOf, lineOf, nodesOf, type Program, type SyntaxNode } from '../files/syntax.js'
import { isRule, type Remark, type RuleCode } from './finding.js'
import { nodesBelow } from './walk.js'

const WORD = 'chroma-ops-lint-disable'

interface Disabled {
  readonly rules: readonly RuleCode[]
  readonly from: number
  readonly to: number
}

/**
 * Leaves out what `// chroma-ops-lint-disable CM003 why` is meant for: in its own line, in the next one, and in
 * the whole of what it stands above. A comment without a reason disables nothing, and is a finding itself.
 */
export function withoutDisabled(program: Program, remarks: readonly Remark[]): readonly Remark[] {
  const disabled: Disabled[] = []
  const unclear: Remark[] = []
  for (const comment of program.comments) {
    const words = String(comment['value']).replaceAll('*', ' ').trim().split(/\s+/)
    if (words[0] !== WORD) continue
    const codes = words.slice(1).map((word) => word.replace(/[,:]$/, ''))
    const end = codes.findIndex((code) => !/^CM\d+$/.test(code))
    const named = end === -1 ? codes : codes.slice(0, end)
    const known = named.filter(isRule)
    const line = lineOf(comment) ?? 0
    if (end === -1 || known.length === 0 || known.length < named.length) {
      const message = `disables nothing: it must name known rules and say why: // ${WORD} CM003 sets a constant`
      unclear.push({ rule: 'CM000', severity: 'warning', line, message })
    } else {
      disabled.push({ rules: known, from: line, to: Math.max(line + 1, endBelow(program.program, comment)) })
    }
  }
  const stays = ({ rule, line }: Remark) =>
    !disabled.some(({ rules, from, to }) => rules.includes(rule) && (line ?? 1) >= from && (line ?? 1) <= to)
  return [...remarks.filter(stays), ...unclear]
}

/** The last line of what the comment stands above. */
function endBelow(program: SyntaxNode, comment: SyntaxNode): number {
  const lines = [...nodesBelow(program)]
    .filter((node) => nodesOf(node['leadingComments']).some(({ start }) => start === comment['start']))
    .map((node) => lastLineOf(node) ?? 0)
  return Math.max(0, ...lines)
}
