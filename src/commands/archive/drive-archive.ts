import type { ArchiveSource } from '../../archive/extract.ts'
import type { ArchiveFormat } from '../../archive/format.ts'
import type { ByteSink } from '../../archive/sink.ts'
import type { DriveFile } from '../../storage/drive/answers.ts'
import type { OrdinaryDriveFile } from '../../storage/drive/drive-file.ts'
import { plural } from '../../ui/format.ts'
import { AppError, isAppError } from '../../util/errors.ts'
import type { Session } from '../shared/session.ts'
import { connectDrive, drivePath } from '../shared/store.ts'
import { sharedLink, type SharedLink } from './shared-link.ts'

/** Whether the location of an archive is on Drive. */
export const isOnDrive = (name: string): boolean => name.startsWith('drive:')

/** `drive:` and paths that end with a slash are folders on Drive. */
export const isDriveFolder = (name: string): boolean => /^drive:(?:.*\/)?$/.test(name)

/** The file at a path in My Drive, such as `drive:Folder/data.tar.zst`. */
export async function driveFile(session: Session, location: string): Promise<OrdinaryDriveFile> {
  if (isDriveFolder(location))
    throw new AppError('usage', `${location} is a folder on Drive.`, { hint: `Give a file in it: ${location}data.tar.zst` })
  const path = drivePath(location)
  const { drive } = await connectDrive(session, path.slice(0, -1))
  return drive.ordinaryFile(path.at(-1)!, session.retry())
}

/** A new file on Drive. */
export interface DriveSink extends ByteSink {
  /** Opens the finished file to anyone with the link. Resolves to that link. */
  share(format: ArchiveFormat): Promise<SharedLink>
}

/**
 * Creates a file on Drive. `agree` is asked before that. Errors: `would-overwrite` when one of that name exists, unless
 * `force` is set.
 */
export async function createOnDrive(
  session: Session,
  location: string,
  force: boolean,
  agree: (() => Promise<void>) | undefined,
): Promise<DriveSink> {
  const { signal, console } = session
  const file = await driveFile(session, location)
  const existing = await file.existing(signal)
  if (existing.length > 0 && !force)
    throw new AppError('would-overwrite', `${file.location} exists already on Drive.`, {
      hint: 'Name another file with -o, or add --force to replace it.',
    })
  await agree?.()
  const linked = await withLink(file, existing, signal)
  const writer = await file.create(existing, signal)
  return {
    write: bytes => writer.write(bytes),
    abort: () => writer.abort(),
    async finish() {
      await writer.finish()
      if (writer.kept.length > 0)
        console.reporter.warn(
          `${plural(writer.kept.length, 'older file')} named ${file.location} stayed on Drive: this login is not allowed to delete`,
        )
      if (linked.some(old => !writer.kept.includes(old)))
        console.reporter.note(
          `The link of the ${file.location} that was replaced no longer works${agree ? '' : `. To share the new one: colab-escape share ${file.location}`}`,
        )
    },
    async share(format) {
      const address = await file.sharing.link(writer.id, signal)
      await file.sharing.openLink(writer.id, signal)
      return sharedLink(writer.id, address, file.name, format)
    },
  }
}

/** Those files that anyone with the link can read, as far as Drive tells. */
async function withLink(file: OrdinaryDriveFile, files: readonly DriveFile[], signal: AbortSignal): Promise<DriveFile[]> {
  const linked: DriveFile[] = []
  for (const one of files) {
    const access = await file.sharing.access(one.id, signal).catch((error: unknown) => {
      if (isAppError(error, 'interrupted')) throw error
      return undefined
    })
    if (access?.link !== undefined) linked.push(one)
  }
  return linked
}

/** An archive on Drive. It is extracted during the download. */
export async function openOnDrive(session: Session, location: string): Promise<ArchiveSource> {
  const { signal } = session
  const file = await driveFile(session, location)
  const found = await file.newest(signal)
  const { size } = found
  return {
    name: file.location,
    size,
    bytes: file.read(found, signal),
    zip: { size, range: (start, end) => file.range(found, start, end, signal) },
  }
}
