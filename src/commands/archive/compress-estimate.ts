import { archiveEntries } from '../../archive/compress.ts'
import { estimate, type KindEstimate, type TensorPart } from '../../archive/estimate.ts'
import type { ArchiveFormat } from '../../archive/format.ts'
import { isCut } from '../../chunking/layouts/cuts.ts'
import { elementTypeId } from '../../compression/element-type-ids.ts'
import type { Level } from '../../compression/limits.ts'
import type { WalkedEntry, WalkResult } from '../../local/walk.ts'
import { mayHold } from '../../repository/bases/base-plan.ts'
import { spansOf } from '../../repository/bases/file-tensors.ts'
import { kindOfChunk, kindOfFile, typeOfWidth } from '../../repository/usage/file-kinds.ts'
import { classifyContent } from '../../repository/write/block-builder.ts'
import { formatCount, formatDuration, formatPercent, plural } from '../../ui/format.ts'
import { renderTable, type Column, right } from '../../ui/table.ts'
import type { ElementType } from '../../util/element-type.ts'
import { formatBytes } from '../../util/format-bytes.ts'
import { describeLeftOut, leftOutToJson } from '../shared/left-out-report.ts'
import type { Outcome, Session } from '../shared/session.ts'

const COLUMNS: Column[] = [{ title: '  kind' }, ...['files', 'size', 'archived', 'saved'].map(right)]
const PUSHED = right('pushed')
const MEANING = '  pushed: with filters for tensors and tables, but without dedup and deltas'

/** Estimates the size of an archive. Writes nothing. */
export async function estimateArchive(
  session: Session,
  source: WalkResult,
  { name, format, level }: { name: string; format: ArchiveFormat; level: Level },
): Promise<Outcome> {
  const started = performance.now()
  const { console, signal } = session
  const entries = archiveEntries({ source, name })
  const files = entries.filter(({ type }) => type === 'file')
  const bytes = files.reduce((sum, { fingerprint }) => sum + fingerprint.size, 0)
  let doneBytes = 0
  const onRead = (length: number): void => {
    doneBytes += length
    console.reporter.progress({ phase: 'planning', doneBytes })
  }
  const { kinds, readBytes } = await estimate({
    entries,
    format,
    level,
    kindOf: kindOfFile,
    tensorsOf: tensorRangesOf,
    formOf: classifyContent,
    pool: session.pool(bytes),
    signal,
    onRead,
  })
  const archiveBytes = kinds.reduce((sum, kind) => sum + kind.archiveBytes, 0)
  const hasFiltered = kinds.some(({ filteredBytes }) => filteredBytes !== undefined)
  const leftOut = await source.leftOut.count(signal)
  const lines = [
    `${name} as ${format}: ${plural(files.length, 'file')}, ${formatBytes(bytes)} before, about ${formatBytes(archiveBytes)} after: ${saved(bytes, archiveBytes)} saved`,
    ...renderTable(hasFiltered ? [...COLUMNS, PUSHED] : COLUMNS, kinds.map(rowOf), console.columns),
    ...(hasFiltered ? [MEANING] : []),
    ...describeLeftOut(leftOut),
    `  Estimated from ${formatBytes(readBytes)} in ${formatDuration(performance.now() - started)}; nothing was written.`,
  ]
  console.result(lines, {
    command: 'compress',
    estimate: true,
    source: source.root.toWellFormed(),
    format,
    files: files.length,
    bytes,
    archiveBytes,
    readBytes,
    kinds,
    leftOut: leftOutToJson(leftOut),
  })
  return source.failed > 0 ? 'partly' : 'done'
}

const rowOf = ({ kind, files, bytes, archiveBytes, filteredBytes }: KindEstimate): string[] => [
  `  ${kind}`,
  formatCount(files),
  formatBytes(bytes),
  formatBytes(archiveBytes),
  bytes === 0 ? '' : saved(bytes, archiveBytes),
  filteredBytes === undefined ? '' : formatBytes(filteredBytes),
]

/**
 * The tensors of a file by kind, named as in `du`: only those that a push would cut out as tensors and whose type or at
 * least width is known.
 */
export async function tensorRangesOf(file: WalkedEntry): Promise<TensorPart[]> {
  const spans = mayHold(file.path, file.fingerprint.size) ? ((await spansOf(file)) ?? []) : []
  return spans
    .filter(isCut)
    .map(({ offset, length, ...element }) => ({ kind: kindOfChunk(file.path, typeOf(element)), element, offset, length }))
    .filter(({ element }) => typeOf(element) !== undefined)
}

function typeOf({ dtype, width }: ElementType): string | undefined {
  return elementTypeId(dtype) !== 0 ? dtype : width > 1 ? typeOfWidth(width) : undefined
}

const saved = (bytes: number, archiveBytes: number): string => formatPercent(bytes === 0 ? 0 : Math.max(0, 1 - archiveBytes / bytes))
