import { archiveEntries } from '../archive/compress.ts'
import { estimate, type KindEstimate } from '../archive/estimate.ts'
import type { ArchiveFormat } from '../archive/format.ts'
import type { Level } from '../compression/limits.ts'
import { kindOfFile } from '../repository/file-kinds.ts'
import type { WalkResult } from '../repository/walk.ts'
import { formatBytes, formatCount, formatDuration, formatPercent, plural } from '../ui/format.ts'
import { renderTable, type Column } from '../ui/table.ts'
import type { Outcome, Session } from './session.ts'

const COLUMNS: Column[] = [
  { title: '  kind' },
  ...['files', 'size', 'archived', 'saved'].map((title): Column => ({ title, align: 'right' })),
]

/** About how large an archive would be; nothing is written. */
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
  const { kinds, readBytes } = await estimate({ entries, format, level, kindOf: kindOfFile, pool: session.pool(bytes), signal, onRead })
  const archiveBytes = kinds.reduce((sum, kind) => sum + kind.archiveBytes, 0)
  const lines = [
    `${name} as ${format}: ${plural(files.length, 'file')}, ${formatBytes(bytes)} before, about ${formatBytes(archiveBytes)} after: ${saved(bytes, archiveBytes)} saved`,
    ...renderTable(COLUMNS, kinds.map(rowOf), console.columns),
    `  Tried out on ${formatBytes(readBytes)} in ${formatDuration(performance.now() - started)}; nothing was written.`,
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
  })
  return source.failed > 0 ? 'partly' : 'done'
}

const rowOf = ({ kind, files, bytes, archiveBytes }: KindEstimate): string[] => [
  `  ${kind}`,
  formatCount(files),
  formatBytes(bytes),
  formatBytes(archiveBytes),
  bytes === 0 ? '' : saved(bytes, archiveBytes),
]

const saved = (bytes: number, archiveBytes: number): string => formatPercent(bytes === 0 ? 0 : Math.max(0, 1 - archiveBytes / bytes))
