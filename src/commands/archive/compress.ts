import { existsSync } from 'node:fs'
import { basename, dirname, join, resolve } from 'node:path'
import { compress, type CompressResult } from '../../archive/compress.ts'
import { formatOfName, type ArchiveFormat } from '../../archive/format.ts'
import { FileSink, type ByteSink } from '../../archive/sink.ts'
import type { Level } from '../../compression/limits.ts'
import type { LeftOut } from '../../local/left-out.ts'
import { realPathOf } from '../../local/real-path.ts'
import { walk } from '../../local/walk.ts'
import { formatDuration, formatPercent, formatRate, plural } from '../../ui/format.ts'
import { AppError } from '../../util/errors.ts'
import { formatBytes } from '../../util/format-bytes.ts'
import { describeLeftOut, leftOutToJson } from '../shared/left-out-report.ts'
import { ownFiles } from '../shared/own-files.ts'
import type { Outcome, Session } from '../shared/session.ts'
import { estimateArchive } from './compress-estimate.ts'
import { createOnDrive, isDriveFolder, isOnDrive } from './drive-archive.ts'

export interface CompressOptions {
  output?: string
  format?: ArchiveFormat
  level: Level
  exclude?: string[]
  force?: boolean
  estimate?: boolean
}

const STDOUT = '-'

/** Makes an ordinary archive of a folder or a file. */
export async function compressCommand(session: Session, path: string, options: CompressOptions): Promise<Outcome> {
  const started = performance.now()
  const name = basename(resolve(path))
  if (name === '') throw new AppError('usage', `${path} has no name for the archive.`, { hint: 'Give a folder or file inside it.' })
  const { output, format } = chooseOutput(session, name, options)
  const { reporter } = session.console
  const source = await walk(path, { excludes: options.exclude ?? [], skip: ownFiles(session, undefined), reporter, signal: session.signal })
  if (options.estimate === true) return estimateArchive(session, source, { name, format, level: options.level })
  const sink = await openSink(session, output, options.force === true)
  const bytes = source.entries.reduce((sum, entry) => sum + (entry.type === 'file' ? entry.fingerprint.size : 0), 0)
  const request = {
    source,
    name,
    format,
    level: options.level,
    omit: output === STDOUT || isOnDrive(output) ? undefined : join(realPathOf(dirname(output)), basename(output)),
  }
  const result = await compress({ pool: session.pool(bytes), reporter, signal: session.signal }, request, sink)
  const leftOut = await source.leftOut.count()
  const receipt = describe(name, output, result, leftOut, performance.now() - started)
  if (output === STDOUT) for (const line of receipt) reporter.note(line.trim())
  else
    session.console.result(receipt, {
      command: 'compress',
      source: source.root.toWellFormed(),
      output,
      format,
      ...result,
      leftOut: leftOutToJson(leftOut),
    })
  return result.failed > 0 ? 'partly' : 'done'
}

function chooseOutput(
  session: Session,
  name: string,
  { output, format, estimate }: CompressOptions,
): { output: string; format: ArchiveFormat } {
  if (output === undefined) return { output: resolve(`${name}.${format ?? 'tar.zst'}`), format: format ?? 'tar.zst' }
  if (output === STDOUT) {
    if (estimate !== true) checkStdout(session)
    return { output, format: format ?? 'tar.zst' }
  }
  const named = formatOfName(output)
  if (named !== undefined && format !== undefined && named !== format)
    throw new AppError('usage', `${output} has the name of a ${named} archive, but --format says ${format}.`, {
      hint: 'Remove --format, or give the file a matching name.',
    })
  const chosen = format ?? named
  // an existing folder gets its own message later
  if (chosen === undefined && !isDriveFolder(output) && !existsSync(output))
    throw new AppError('usage', `The name ${output} does not show which archive format to use.`, {
      hint: 'Use a name that ends in .tar.zst, .tar.gz or .zip, or add --format.',
    })
  return { output: isOnDrive(output) ? output : resolve(output), format: chosen ?? 'tar.zst' }
}

function openSink(session: Session, output: string, force: boolean): ByteSink | Promise<ByteSink> {
  if (output === STDOUT) return stdoutSink(session)
  return isOnDrive(output) ? createOnDrive(session, output, force) : FileSink.create(output, force)
}

function checkStdout({ options }: Session): void {
  if (options.json === true)
    throw new AppError('usage', "The archive and the JSON can't both go to standard output.", { hint: 'Remove --json or -o -.' })
  if (process.stdout.isTTY === true)
    throw new AppError('usage', "An archive can't be written to a terminal.", {
      hint: 'Pipe it into a program, or set a file with -o.',
    })
}

function stdoutSink({ console }: Session): ByteSink {
  return {
    async write(bytes) {
      if (!(await console.write(bytes)))
        throw new AppError('io', 'The program that reads the archive has ended.', { hint: 'Find out why that program ended.' })
    },
    finish: () => Promise.resolve(),
    abort: () => Promise.resolve(),
  }
}

function describe(name: string, output: string, result: CompressResult, leftOut: readonly LeftOut[], milliseconds: number): string[] {
  const { files, bytes, archiveBytes, failed } = result
  const saved = archiveBytes < bytes ? `${formatPercent(1 - archiveBytes / bytes)} saved` : 'nothing saved'
  const rate = milliseconds > 0 ? `, ${formatRate((bytes / milliseconds) * 1000)}` : ''
  const lines = [
    `Compressed ${name} into ${output === STDOUT ? 'standard output' : output}`,
    `  ${plural(files, 'file')}, ${formatBytes(bytes)} before, ${formatBytes(archiveBytes)} after: ${saved}`,
    `  ${formatDuration(milliseconds)}${rate}`,
    ...describeLeftOut(leftOut),
  ]
  if (isOnDrive(output)) lines.push('  Safe to disconnect: Drive has the whole file and confirmed its checksum.')
  if (failed > 0) lines.push(`  ${plural(failed, 'entry', 'entries')} could not be archived as they are (see the warnings)`)
  return lines
}
