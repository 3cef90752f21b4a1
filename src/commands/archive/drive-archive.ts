import type { ArchiveSource } from '../../archive/extract.ts'
import type { ArchiveFormat } from '../../archive/format.ts'
import type { ByteSink } from '../../archive/sink.ts'
import type { DriveFile } from '../../storage/drive/answers.ts'
import type { OrdinaryDriveFile } from '../../storage/drive/drive-file.ts'
import type { DriveStorage } from '../../storage/drive/drive-storage.ts'
import type { DrivePlace } from '../../storage/drive/place.ts'
import { plural } from '../../ui/format.ts'
import { AppError, isAppError } from '../../util/errors.ts'
import type { Session } from '../shared/session.ts'
import { connectDrive, placeOf } from '../shared/store.ts'
import { sharedLink, type SharedLink } from './shared-link.ts'

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
  return { file: drive.ordinaryFile(name), drive }
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
  await agree?.()
  const linked = await withLink(file, existing, signal)
  const writer = await file.create(existing, signal)
  return {
    write: bytes => writer.write(bytes),
    abort: () => writer.abort(),
    async finish() {
      await writer.finish()
      if (drive.owner !== undefined) console.reporter.note(`${file.location} is in a folder of ${drive.owner}`)
      if (writer.kept.length > 0)
        console.reporter.warn(
          `${plural(writer.kept.length, 'older file')} named ${file.location} stayed on Drive, because this login is not allowed to delete it. Links that lead to it still work`,
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

/** The files that a location on Drive names, the newest first: of one name, or the one with that id. */
export async function findOnDrive(session: Session, location: string): Promise<{ file: OrdinaryDriveFile; files: DriveFile[] }> {
  const place = placeOf(location)!
  if (isFileById(place)) {
    const { file, found } = await fileById(session, place)
    return { file, files: [found] }
  }
  const { file } = await driveFile(session, location, place)
  return { file, files: await file.existing(session.signal) }
}

type ById = DrivePlace & { start: { in: 'id' } }

const isFileById = (place: DrivePlace): place is ById => place.start.in === 'id' && place.path.length === 0

async function fileById(session: Session, place: ById): Promise<{ file: OrdinaryDriveFile; found: DriveFile }> {
  const { drive } = await connectDrive(session, place)
  return drive.fileById(place.start.id, session)
}

async function openFile(session: Session, location: string, place: DrivePlace): Promise<{ file: OrdinaryDriveFile; found: DriveFile }> {
  if (isFileById(place)) return fileById(session, place)
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
