import { statSync, type Stats } from 'node:fs'
import { resolve } from 'node:path'
import { addAbortSignal } from 'node:stream'
import { extract, readArchiveFile, type ArchiveSource, type ExtractResult } from '../../archive/extract.ts'
import { zstdName } from '../../compression/load-zstd.ts'
import { realPathOf } from '../../local/real-path.ts'
import { formatCount, formatDuration, plural } from '../../ui/format.ts'
import { AppError, errnoOf, isFullDisk, messageOf } from '../../util/errors.ts'
import { makeFolder } from '../../util/file-system.ts'
import { formatBytes } from '../../util/format-bytes.ts'
import type { Outcome, Session } from '../shared/session.ts'
import { requireLocal } from '../shared/store.ts'
import { isOnDrive, openOnDrive } from './drive-archive.ts'

export interface ExtractOptions {
  force?: boolean
}

/** Extracts an archive into a folder, by default the current one. */
export async function extractCommand(
  session: Session,
  file: string,
  folder: string | undefined,
  options: ExtractOptions,
): Promise<Outcome> {
  const started = performance.now()
  const { console, signal, settings } = session
  if (folder !== undefined) requireLocal(folder)
  const source = isOnDrive(file) ? await openOnDrive(session, file) : openArchive(file, signal)
  const destination = madeFolder(resolve(folder ?? '.'))
  // the length of standard input is unknown; one thread decodes faster than this one writes
  const pool = session.pool(source.size ?? Infinity, 1)
  const context = { pool, zstd: zstdName(settings.zstd), reporter: console.reporter, signal }
  const result = await extract(context, { source, destination, force: options.force === true })
  if (result.outsideLinks > 0)
    console.reporter.note(
      `${plural(result.outsideLinks, 'symlink')} of the archive ${result.outsideLinks === 1 ? 'points' : 'point'} outside ${destination}`,
    )
  const receipt = describe(source.name, destination, result, performance.now() - started)
  if (result.occupied.length > 0) {
    for (const line of receipt) console.reporter.note(line.trim())
    throw occupied(result)
  }
  console.result(receipt, { command: 'extract', archive: source.name, destination, ...result })
  if (result.damaged > 0) return 'damaged'
  return result.refused > 0 || result.doubtful > 0 || !result.isComplete ? 'partly' : 'done'
}

function openArchive(file: string, signal: AbortSignal): ArchiveSource {
  if (file === '-') return { name: 'the archive from standard input', bytes: addAbortSignal(signal, process.stdin) }
  const path = resolve(file)
  const stats = statsOf(path, file)
  if (stats.isDirectory()) throw new AppError('usage', `${file} is a folder, not an archive.`, { hint: 'Give the path of an archive.' })
  const bytes = readArchiveFile(path, signal)
  return stats.isFile()
    ? { name: file, bytes, size: stats.size, mtime: BigInt(Math.floor(stats.mtimeMs)) * 1_000_000n, zip: path }
    : { name: file, bytes }
}

function statsOf(path: string, file: string): Stats {
  try {
    return statSync(path)
  } catch (error) {
    const missing = errnoOf(error) === 'ENOENT' || errnoOf(error) === 'ENOTDIR'
    throw new AppError(missing ? 'not-found' : 'io', missing ? `${file} does not exist.` : `${file} can't be read: ${messageOf(error)}`, {
      hint: missing ? 'Check the path. A relative path starts at the current folder.' : 'Check its permissions.',
      cause: error,
    })
  }
}

function madeFolder(path: string): string {
  try {
    makeFolder(path)
    return realPathOf(path)
  } catch (error) {
    const why = errnoOf(error) === 'EEXIST' ? 'what is there is not a folder' : messageOf(error)
    throw new AppError(isFullDisk(error) ? 'quota' : 'io', `Can't extract into ${path}: ${why}.`, {
      hint: 'Choose another folder.',
      cause: error,
    })
  }
}

function describe(name: string, destination: string, result: ExtractResult, milliseconds: number): string[] {
  const { files, symlinks, bytes, unchanged, refused, damaged, doubtful, isComplete } = result
  const parts = [`${plural(files + symlinks, 'file')} written (${formatBytes(bytes)})`]
  if (unchanged > 0) parts.push(`${formatCount(unchanged)} already there`)
  const lines = [`Extracted ${name} into ${destination}`, `  ${parts.join(', ')}, ${formatDuration(milliseconds)}`]
  if (refused > 0) lines.push(`  ${plural(refused, 'entry', 'entries')} could not be extracted (see the warnings)`)
  if (damaged > 0)
    lines.push(`  ${plural(damaged, 'entry is', 'entries are')} damaged (see the warnings): download or copy the archive again`)
  if (doubtful > 0) lines.push(`  the archive contradicts itself about ${plural(doubtful, 'entry', 'entries')} of them (see the warnings)`)
  if (!isComplete) lines.push('  the archive may not be complete (see the warning)')
  return lines
}

function occupied({ occupied: list }: ExtractResult): AppError {
  const entries = plural(list.length, 'entry was', 'entries were')
  return new AppError('would-overwrite', `${entries} not extracted, because something else is in the way. All others were extracted.`, {
    list: list.map(path => path.toWellFormed()),
    hint: 'Move it away and run this again, or add --force to replace files.',
  })
}
