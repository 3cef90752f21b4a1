import type { ArchiveSource } from '../../archive/extract.ts'
import type { ByteSink } from '../../archive/sink.ts'
import type { OrdinaryDriveFile } from '../../storage/drive/drive-file.ts'
import { plural } from '../../ui/format.ts'
import { AppError } from '../../util/errors.ts'
import type { Session } from '../shared/session.ts'
import { connectDrive, drivePath } from '../shared/store.ts'

/** Whether the location of an archive is on Drive. */
export const isOnDrive = (name: string): boolean => name.startsWith('drive:')

/** `drive:` and paths that end with a slash are folders on Drive. */
export const isDriveFolder = (name: string): boolean => /^drive:(?:.*\/)?$/.test(name)

/** The file at a path in My Drive, such as `drive:Folder/data.tar.zst`. */
async function driveFile(session: Session, location: string): Promise<OrdinaryDriveFile> {
  if (isDriveFolder(location))
    throw new AppError('usage', `${location} is a folder on Drive.`, { hint: `Give a file in it: ${location}data.tar.zst` })
  const path = drivePath(location)
  const { drive } = await connectDrive(session, path.slice(0, -1))
  return drive.ordinaryFile(path.at(-1)!)
}

/** Creates a file on Drive. Errors: `would-overwrite` when one of that name exists, unless `force` is set. */
export async function createOnDrive(session: Session, location: string, force: boolean): Promise<ByteSink> {
  const { signal, console } = session
  const file = await driveFile(session, location)
  const existing = await file.existing(signal)
  if (existing.length > 0 && !force)
    throw new AppError('would-overwrite', `${file.location} exists already on Drive.`, {
      hint: 'Name another file with -o, or add --force to replace it.',
    })
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
    },
  }
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
