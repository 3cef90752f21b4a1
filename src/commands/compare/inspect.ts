import { compareTensors, type TensorComparison, type TensorSide } from '../../tensors/compare-tensors.ts'
import { findPrefix } from '../../tensors/match-names.ts'
import { parametersOf, type Tensor, type TensorFile } from '../../tensors/tensor.ts'
import { formatCount, plural } from '../../ui/format.ts'
import { renderTable, right, type Column } from '../../ui/table.ts'
import { shortenEnd } from '../../ui/width.ts'
import { wrapWords } from '../../ui/wrap.ts'
import { formatBytes } from '../../util/format-bytes.ts'
import type { Outcome, Session } from '../shared/session.ts'
import { tensorToJson, TensorSides } from '../shared/tensor-sides.ts'
import { compareTable, comparisonToJson, shapeText, summaryOf } from './inspect-differences.ts'

/** Maximum number of name prefixes that are listed. */
const MAX_PARTS = 4
/** Maximum number of tensors that are listed with the reason why they can't be read. */
const MAX_UNREAD = 10
const COLUMNS: Column[] = [{ title: 'name' }, right('dtype'), right('shape'), right('parameters'), right('size')]

/**
 * Lists the tensors of a file, or compares those of two files. A list needs only the header. A comparison also reads
 * the data that hashes don't show to be equal.
 */
export async function inspectCommand(session: Session, model: string, other: string | undefined): Promise<Outcome> {
  const sides = new TensorSides(session)
  try {
    const side = await sides.open(model)
    const second = other === undefined ? undefined : await sides.open(other)
    if (second === undefined) list(session, side, sides)
    else await compare(session, side, second, sides)
    const sidesOpen = [side, second].filter(each => each !== undefined)
    if (sidesOpen.some(({ file }) => file.tensors.some(tensor => tensor.isDamaged))) return 'damaged'
    return sidesOpen.some(each => (each.shards?.missing ?? []).length > 0) ? 'partly' : 'done'
  } finally {
    await sides.close()
  }
}

function list({ console }: Session, { name, source, file, shards }: TensorSide, sides: TensorSides): void {
  const { format, metadata, tensors } = file
  const rows = tensors.map(({ name, dtype, shape, count, bytes }) => [
    name,
    dtype,
    shapeText(shape),
    formatCount(count),
    formatBytes(bytes),
  ])
  const texts = [...metadata].map(([key, value]) => shortenEnd(`  ${key}: ${value}`, Math.min(console.columns, 1000)))
  const shared = tensors.filter(({ sharedWith }) => sharedWith !== undefined).length
  console.print(
    [
      `${name}: ${format}, ${formatBytes(source.size)}${shards === undefined ? '' : ` in ${plural(shards.found, 'shard')}`}`,
      ...texts,
      ...renderTable(COLUMNS, rows, console.columns),
      `${plural(tensors.length, 'tensor')}, ${plural(parametersOf(file), 'parameter')}${byType(file)}`,
      ...byFirstName(file),
      ...unreadLines(tensors),
      ...(shared > 0 ? [`${plural(shared, 'tensor')} share the elements of others, which are counted only once.`] : []),
      ...(file.unlisted ?? []).map(what => `not listed: ${what}`),
    ],
    {
      command: 'inspect',
      file: name.toWellFormed(),
      format,
      bytes: source.size,
      ...(shards === undefined ? {} : { shards: shards.found, missingShards: shards.missing.map(shard => shard.toWellFormed()) }),
      parameters: parametersOf(file),
      metadata: Object.fromEntries(metadata),
      tensors: tensors.map(tensorToJson),
      ...(file.unlisted === undefined ? {} : { unlisted: file.unlisted.map(what => what.toWellFormed()) }),
      requests: sides.requests(),
    },
  )
}

function unreadLines(tensors: readonly Tensor[]): string[] {
  const unread = tensors.filter(tensor => tensor.unread !== undefined)
  if (unread.length === 0) return []
  const lines = unread.slice(0, MAX_UNREAD).map(({ name, unread, isDamaged }) => `  ${name}: ${isDamaged ? 'damaged: ' : ''}${unread}`)
  return [
    `${plural(unread.length, 'tensor')} can't be read:`,
    ...lines,
    ...(unread.length > MAX_UNREAD ? [`  ... and ${formatCount(unread.length - MAX_UNREAD)} more`] : []),
  ]
}

/** The number of parameters of each type, if there are several types. */
function byType({ tensors }: TensorFile): string {
  const types = countBy(tensors, ({ dtype }) => dtype)
  return types.length < 2 ? '' : `: ${types.join(', ')}`
}

/**
 * The number of parameters by the first part of their names, if there are only a few such parts, as in a checkpoint
 * of a model with its optimizer.
 */
function byFirstName({ tensors }: TensorFile): string[] {
  if (!tensors.every(({ name }) => name.includes('.'))) return []
  const parts = countBy(tensors, ({ name }) => `in ${name.slice(0, name.indexOf('.'))}.*`)
  return parts.length < 2 || parts.length > MAX_PARTS ? [] : wrapWords(`of them ${parts.join(', ')}`, 80)
}

/** `2,429,696 F32`, the largest first. */
function countBy(tensors: readonly Tensor[], keyOf: (tensor: Tensor) => string): string[] {
  const counts = new Map<string, number>()
  for (const tensor of tensors) {
    const key = keyOf(tensor)
    if (tensor.sharedWith === undefined) counts.set(key, (counts.get(key) ?? 0) + tensor.count)
  }
  return [...counts].sort(([, a], [, b]) => b - a).map(([key, count]) => `${formatCount(count)} ${key}`)
}

async function compare(session: Session, before: TensorSide, after: TensorSide, sides: TensorSides): Promise<void> {
  const { console } = session
  const totalBytes = before.file.tensors.reduce((sum, { bytes }) => sum + bytes, 0)
  let doneBytes = 0
  const found: TensorComparison[] = []
  const onBytes = (bytes: number): void => console.reporter.progress({ phase: 'comparing', doneBytes: (doneBytes += bytes), totalBytes })
  const prefix = findPrefix(before.file, after.file)
  for await (const each of compareTensors(before, after, { prefix, onBytes, signal: session.signal })) found.push(each)
  const table = compareTable(found, console.columns)
  const note =
    prefix && `names of the ${prefix.side === 'before' ? 'first' : 'second'} model are compared without the prefix "${prefix.prefix}"`
  console.print([`${before.name} -> ${after.name}`, ...table, ...summaryOf(found), ...(note === undefined ? [] : [note])], {
    command: 'inspect',
    before: before.name.toWellFormed(),
    after: after.name.toWellFormed(),
    ...(prefix === undefined ? {} : { leftOut: { [prefix.side]: prefix.prefix } }),
    tensors: found.map(comparisonToJson),
    requests: sides.requests(),
  })
}
