import { existsSync } from 'node:fs'
import { basename, dirname, join, resolve } from 'node:path'
import { compress, type CompressRequest, type CompressResult } from '../../archive/compress.ts'
import { formatOfName, type ArchiveFormat } from '../../archive/format.ts'
import { FileSink, type ByteSink } from '../../archive/sink.ts'
import { LostContentError } from '../../archive/source-file.ts'
import type { Level } from '../../compression/limits.ts'
import type { LeftOut } from '../../local/left-out.ts'
import { realPathOf } from '../../local/real-path.ts'
import { walk, type WalkResult } from '../../local/walk.ts'
import { formatDuration, formatPercent, formatRate, plural } from '../../ui/format.ts'
import { AppError, isAppError } from '../../util/errors.ts'
import { formatBytes } from '../../util/format-bytes.ts'
import { describeLeftOut, leftOutToJson } from '../shared/left-out-report.ts'
import { wipedLines } from '../shared/mounts.ts'
import { ownFiles } from '../shared/own-files.ts'
import type { Outcome, Session } from '../shared/session.ts'
import { estimateArchive } from './compress-estimate.ts'
import { createOnDrive, isDriveFolder, isOnDrive, type DriveSink } from './drive-archive.ts'
import { agreeToShare, describeLink, requireAnswer, type SharedLink } from './shared-link.ts'
import { namesVersion, openVersion, type VersionSource } from './version-source.ts'

export interface CompressOptions {
  output?: string
  format?: ArchiveFormat
  level: Level
  exclude?: string[]
  force?: boolean
  estimate?: boolean
  share?: boolean
  yes?: boolean
}

const STDOUT = '-'

/** Makes an ordinary archive of a folder or a file of this machine, or of a version. */
export async function compressCommand(session: Session, path: string, options: CompressOptions): Promise<Outcome> {
  let started = performance.now()
  const fromStore = namesVersion(path) ? await openVersion(session, path, options.exclude ?? []) : undefined
  const name = fromStore?.name ?? basename(resolve(path))
  if (name === '') throw new AppError('usage', `${path} has no name for the archive.`, { hint: 'Give a folder or file inside it.' })
  const { output, format } = chooseOutput(session, name, options)
  if (options.share === true) checkSharing(output, options)
  const { reporter } = session.console
  if (fromStore && options.estimate === true)
    throw new AppError('usage', 'The size of the archive of a version is not estimated.', {
      hint: 'Leave out --estimate, or give a folder.',
    })
  const walked = fromStore ? undefined : await walkSource(session, path, options)
  if (walked && options.estimate === true) return estimateArchive(session, walked, { name, format, level: options.level })
  const source = fromStore?.source ?? walked!
  const bytes = source.entries.reduce((sum, entry) => sum + (entry.type === 'file' ? entry.fingerprint.size : 0), 0)
  const agree = async (): Promise<void> => {
    const asked = performance.now()
    const what = `${basename(output)} (${formatBytes(bytes)} before compression)`
    await agreeToShare(session, what, options.yes === true, 'Nothing was stored or shared.')
    // the receipt tells how fast the archive was made
    started += performance.now() - asked
  }
  let onDrive: DriveSink | undefined
  const openSink = async (): Promise<ByteSink> => {
    const force = options.force === true
    // a second archive is made of what was agreed to
    const ask = options.share === true ? (onDrive === undefined ? agree : () => Promise.resolve()) : undefined
    return isOnDrive(output) ? (onDrive = await createOnDrive(session, output, force, ask)) : await openLocal(session, output, force)
  }
  const sink = await openSink()
  const request = {
    source,
    name,
    format,
    level: options.level,
    omit: output === STDOUT || isOnDrive(output) ? undefined : join(realPathOf(dirname(output)), basename(output)),
  }
  const again = output === STDOUT ? undefined : openSink
  const result = await compressWhole(session, request, bytes, fromStore, sink, again)
  const leftOut = (await walked?.leftOut.count()) ?? []
  const receipt = describe(name, output, result, leftOut, performance.now() - started)
  const shared = options.share === true ? await share(session, onDrive!, output, format, receipt) : undefined
  if (shared) receipt.push('  Shared: anyone with the link can read it', ...describeLink(shared, output, format))
  if (output !== STDOUT && !isOnDrive(output)) receipt.push(...wipedLines(session, output, '-o drive:Folder/name'))
  if (output === STDOUT) for (const line of receipt) reporter.note(line.trim())
  else
    session.console.result(receipt, {
      command: 'compress',
      source: source.root.toWellFormed(),
      output,
      format,
      ...result,
      leftOut: leftOutToJson(leftOut),
      ...(shared ? { shared } : {}),
    })
  return fromStore?.isDamaged() === true ? 'damaged' : result.failed > 0 ? 'partly' : 'done'
}

/**
 * Of a damaged version: begins again, without the files of which a part was in the archive when the damage was met. No
 * file is in an archive with other content than its own. `again` opens the output another time, if that is possible.
 */
async function compressWhole(
  session: Session,
  request: CompressRequest,
  bytes: number,
  fromStore: VersionSource | undefined,
  sink: ByteSink,
  again: (() => Promise<ByteSink>) | undefined,
): Promise<CompressResult> {
  const { reporter } = session.console
  const told = new Set<string>()
  const once = (message: string): void => {
    if (!told.has(message)) reporter.warn(message)
    told.add(message)
  }
  const context = { pool: session.pool(bytes), reporter: { ...reporter, warn: once }, signal: session.signal }
  for (let current = sink; ;) {
    try {
      return await compress(context, request, current)
    } catch (error) {
      if (!(error instanceof LostContentError) || fromStore === undefined) throw error
      if (again === undefined)
        throw new AppError('corrupt', `${error.message}, and a part of it is in the archive already: it ends there.`, {
          hint: 'Write the archive into a file (-o NAME): it is then begun again without what is damaged. Or leave that file out with --exclude.',
          cause: error,
        })
      reporter.note(`${error.message}: the archive is begun again without it`)
      await fromStore.findDamage(session.signal)
      current = await again()
    }
  }
}

async function walkSource(session: Session, path: string, { exclude = [] }: CompressOptions): Promise<WalkResult> {
  const { reporter } = session.console
  try {
    return await walk(path, { excludes: exclude, skip: ownFiles(session, undefined), reporter, signal: session.signal })
  } catch (error) {
    if (!isAppError(error, 'not-found') || !/^[\w.-]+$/.test(path)) throw error
    throw new AppError('not-found', error.message, { hint: `If you mean a version in the store: colab-escape compress ${path}~0` })
  }
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

function checkSharing(output: string, { estimate, yes }: CompressOptions): void {
  if (!isOnDrive(output))
    throw new AppError('usage', '--share is for an archive on Drive.', { hint: 'Set it with -o drive:Folder/name.tar.zst.' })
  if (estimate !== true) requireAnswer(yes === true)
}

/** Shares an archive that is stored. If that fails, the receipt says what is stored. */
async function share(
  { console }: Session,
  stored: DriveSink,
  output: string,
  format: ArchiveFormat,
  receipt: readonly string[],
): Promise<SharedLink> {
  try {
    return await stored.share(format)
  } catch (error) {
    if (!isAppError(error)) throw error
    for (const line of receipt) console.reporter.note(line.trim())
    // the answer may be lost after Drive has shared it
    const isOpen = isAppError(error, 'unavailable', 'interrupted')
    throw new AppError(error.code, `${output} is stored, but ${isOpen ? 'perhaps ' : ''}not shared. ${error.message}`, {
      hint: `${isAppError(error, 'denied', 'unauthenticated') && error.hint !== undefined ? `${error.hint} Then` : 'To share it,'} run: colab-escape share ${output}`,
      cause: error,
    })
  }
}

function openLocal(session: Session, output: string, force: boolean): ByteSink | Promise<ByteSink> {
  return output === STDOUT ? stdoutSink(session) : FileSink.create(output, force)
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
  const { files, hardlinks, bytes, archiveBytes, failed } = result
  const saved = archiveBytes < bytes ? `${formatPercent(1 - archiveBytes / bytes)} saved` : 'nothing saved'
  const rate = milliseconds > 0 ? `, ${formatRate((bytes / milliseconds) * 1000)}` : ''
  const lines = [
    `Compressed ${name} into ${output === STDOUT ? 'standard output' : output}`,
    `  ${plural(files, 'file')}, ${formatBytes(bytes)} before, ${formatBytes(archiveBytes)} after: ${saved}`,
    `  ${formatDuration(milliseconds)}${rate}`,
    ...describeLeftOut(leftOut),
  ]
  if (isOnDrive(output)) lines.push('  Safe to disconnect: Drive has the whole file and confirmed its checksum.')
  if (hardlinks > 0) lines.push(`  ${plural(hardlinks, 'file')} of them as hard ${hardlinks === 1 ? 'link' : 'links'}: stored once`)
  if (failed > 0)
    lines.push(
      `  ${plural(failed, 'entry is not archived as it should be', 'entries are not archived as they should be')} (see the warnings)`,
    )
  return lines
}
