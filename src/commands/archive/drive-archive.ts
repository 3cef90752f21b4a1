import type { ArchiveSource } from '../../archive/extract.ts'
import type { ByteSink } from '../../archive/sink.ts'
import type { DriveFile } from '../../storage/drive/answers.ts'
import type { OrdinaryDriveFile } from '../../storage/drive/drive-file.ts'
import type { DriveStorage } from '../../storage/drive/drive-storage.ts'
import type { DrivePlace } from '../../storage/drive/place.ts'
import { plural } from '../../ui/format.ts'
import { AppError } from '../../util/errors.ts'
import type { Session } from '../shared/session.ts'
import { connectDrive, placeOf } from '../shared/store.ts'

/** Whether the location of an archive is on Drive. Throws `usage` for what only looks like that. */
export const isOnDrive = (name: string): boolean => placeOf(name) !== undefined

/** `drive:` and paths that end with a slash are folders on Drive. */
export const isDriveFolder = (name: string): boolean => /^drive:(?:.*\/)?$/.test(name)

/** The file at a path on Drive, such as `drive:Folder/data.tar.zst`. */
async function driveFile(
  session: Session,
  location: string,
  { start, path }: DrivePlace,
): Promise<{ file: OrdinaryDriveFile; drive: DriveStorage }> {
  const name = path.at(-1)
  if (isDriveFolder(location) || name === undefined)
    throw new AppError('usage', `${location} is a folder on Drive.`, { hint: 'Give a file in it, such as drive:Folder/data.tar.zst' })
  const { drive } = await connectDrive(session, { start, path: path.slice(0, -1) })
  return { file: drive.ordinaryFile(name, session.retry()), drive }
}

/** Creates a file on Drive. Errors: `would-overwrite` when one of that name exists, unless `force` is set. */
export async function createOnDrive(session: Session, location: string, force: boolean): Promise<ByteSink> {
  const { signal, console } = session
  const { file, drive } = await driveFile(session, location, placeOf(location)!)
  const existing = await file.existing(signal)
  if (existing.some(({ target }) => target !== undefined))
    throw new AppError('would-overwrite', `${file.location} is a shortcut to another file, which is not replaced.`, {
      hint: 'Name another file with -o, or remove the shortcut in Drive.',
    })
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
      if (drive.owner !== undefined) console.reporter.note(`${file.location} is in a folder of ${drive.owner}`)
      if (writer.kept.length > 0)
        console.reporter.warn(
          `${plural(writer.kept.length, 'older file')} named ${file.location} stayed on Drive: this login is not allowed to delete`,
        )
    },
  }
}

async function openFile(session: Session, location: string, place: DrivePlace): Promise<{ file: OrdinaryDriveFile; found: DriveFile }> {
  const { start, path } = place
  if (start.in === 'id' && path.length === 0) {
    const { drive } = await connectDrive(session, place)
    return drive.fileById(start.id, session, session.retry())
  }
  const { file } = await driveFile(session, location, place)
  return { file, found: await file.newest(session.signal) }
}

/** An archive on Drive. It is extracted during the download. */
export async function openOnDrive(session: Session, location: string): Promise<ArchiveSource> {
  const { signal } = session
  const place = placeOf(location)!
  const { file, found } = await openFile(session, location, place)
  const { size } = found
  return {
    name: file.location,
    size,
    bytes: file.read(found, signal),
    zip: { size, range: (start, end) => file.range(found, start, end, signal) },
  }
}
