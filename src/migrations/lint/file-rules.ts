import { isNode, lineOf, type Program, type SyntaxNode } from '../files/syntax.js'
import type { Remark, RuleCode } from './finding.js'
import { opaqueRemarks } from './opaque-rules.js'
import { operationsIn, type Operation } from './operations.js'
import { differingRemarks, returnsNull } from './record-functions.js'
import { child, childrenOf, member, nameOf, nodesBelow, parentsOf } from './walk.js'

const CHANGES_RECORDS = ['transform', 'filter', 'reembed', 'changeSpace', 'changeDimension']
const NOT_IN_PLACE = ['changeSpace', 'changeDimension', 'reembed']

/** What the rules say about one file, from its text alone. */
export function fileRemarks({ program }: Program): readonly Remark[] {
  const parents = parentsOf(program)
  const operations = operationsIn(program, parents)
  return [
    ...operations.flatMap((operation) => operationRemarks(operation, operations)),
    ...operations.flatMap((operation) => differingRemarks(operation, program)),
    ...settingsInMetadata(program),
    ...opaqueRemarks(program, parents),
  ]
}

function operationRemarks(operation: Operation, all: readonly Operation[]): readonly Remark[] {
  const { method, args, line, chain } = operation
  const [first, second] = args
  const remarks: Remark[] = []
  const say = (rule: RuleCode, severity: Remark['severity'], message: string) => {
    remarks.push({ rule, severity, line, message })
  }
  if (method === 'drop' && isNothing(member(first, 'keep'))) {
    say('CM001', 'error', 'the dropped collection is not kept: leave out `keep`, or give it some days')
  }
  if (method === 'transform' && returnsNull(first)) {
    say('CM002', 'warning', 'returns null, which leaves the record out; use filter() when that is meant')
  }
  if (method === 'transform' && isTrue(member(second, 'inPlace'))) {
    say('CM003', 'warning', 'in place, a batch can be done twice after a crash: t(t(x)) must equal t(x)')
    const others = chain.filter((link) => NOT_IN_PLACE.includes(link))
    if (others.length > 0) {
      say('CM004', 'error', `${others.join(', ')} cannot be done in place: leave out inPlace`)
    }
  }
  if (operation.dropped && chain.find((link) => CHANGES_RECORDS.includes(link)) === method) {
    say('CM004', 'error', `${method}() is not carried out: the chain is neither awaited nor returned`)
  }
  if (method === 'setConfiguration') {
    if (hasKey(first, ['space'])) {
      say('CM004', 'error', 'the distance cannot change in place: use changeSpace(…).copyAndSwap()')
    }
    const sameCollection = all.filter(({ collection }) => collection === operation.collection)
    const isReembedded = sameCollection.some((other) => other.method === 'reembed')
    if (hasKey(first, ['embedding_function', 'embeddingFunction']) && !isReembedded) {
      say('CM005', 'error', 'the stored vectors stay those of the old embedding function: use reembed()')
    }
  }
  if (method === 'setMetadata' && (first?.type === 'ObjectExpression' || first?.type === 'NullLiteral')) {
    say('CM006', 'warning', 'all other keys are lost: setMetadata((previous) => ({ ...previous, … }))')
  }
  if (isNothing(member(first, 'keepOld'))) {
    say('CM014', 'warning', 'without the replaced collection there is no quick way back')
  }
  return remarks
}

function settingsInMetadata(program: SyntaxNode): readonly Remark[] {
  return [...nodesBelow(program)].flatMap((node): Remark[] => {
    const key = node.type === 'ObjectProperty' ? nameOf(child(node, 'key')) : null
    if (key?.startsWith('hnsw:') !== true) return []
    const message = `"${key}" in metadata does not change the index: use changeSpace or setConfiguration`
    return [{ rule: 'CM007', severity: 'error', line: lineOf(node), message }]
  })
}

/** `0`, `'0'`, `'0d'`. */
function isNothing(value: SyntaxNode | null): boolean {
  if (value === null || !/^(String|Numeric)Literal$/.test(value.type)) return false
  return Number.parseFloat(String(value['value'])) === 0
}

function isTrue(value: SyntaxNode | null): boolean {
  return value?.type === 'BooleanLiteral' && value['value'] === true
}

function hasKey(object: SyntaxNode | undefined, names: readonly string[]): boolean {
  if (object?.type !== 'ObjectExpression') return false
  return childrenOf(object).some((property) => {
    const value = property['value']
    return names.includes(nameOf(child(property, 'key')) ?? '') || (isNode(value) && hasKey(value, names))
  })
}
