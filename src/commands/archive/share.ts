import { formatOfName } from '../../archive/format.ts'
import type { DriveFile } from '../../storage/drive/answers.ts'
import type { OrdinaryDriveFile } from '../../storage/drive/drive-file.ts'
import { plural } from '../../ui/format.ts'
import { AppError, isAppError } from '../../util/errors.ts'
import { formatBytes } from '../../util/format-bytes.ts'
import type { Outcome, Session } from '../shared/session.ts'
import { findOnDrive, isDriveFolder, isOnDrive } from './drive-archive.ts'
import { agreeToShare, describeLink, sharedLink } from './shared-link.ts'

export interface ShareOptions {
  revoke?: boolean
  yes?: boolean
}

/** Lets anyone with the link read a file on Drive, or ends that. */
export async function shareCommand(session: Session, location: string, { revoke = false, yes = false }: ShareOptions): Promise<Outcome> {
  if (!isOnDrive(location))
    throw new AppError('usage', `${location} is not on Drive.`, {
      hint: 'Give a file on Drive: drive:Folder/data.tar.zst. It is made by: colab-escape compress <path> -o drive:Folder/data.tar.zst',
    })
  if (isDriveFolder(location)) throw isFolder(location)
  const { file, files } = await findOnDrive(session, location)
  if (files.length === 0 && (await file.isFolder(session.signal))) throw isFolder(location)
  if (files.length === 0) throw file.missing()
  if (revoke) await end(session, file, files)
  else await begin(session, file, files, yes)
  return 'done'
}

function isFolder(location: string): AppError {
  return new AppError('usage', `${location} is a folder on Drive, and share is only for single files.`, {
    hint: 'Share a folder in Google Drive in the browser. To share a version of a repository, pull it and run: colab-escape compress <folder> -o drive:Folder/name.tar.zst --share',
  })
}

async function begin(session: Session, file: OrdinaryDriveFile, files: readonly DriveFile[], yes: boolean): Promise<void> {
  const { console, signal } = session
  const { location, name, sharing } = file
  const [newest] = files
  const { id, size } = newest!
  if (files.length > 1) console.reporter.note(`There are ${files.length} files ${location}. This is about the newest.`)
  const { link: before, others } = await sharing.access(id, signal)
  const address = await sharing.link(id, signal)
  if (before === undefined) {
    await agreeToShare(session, `${name} (${formatBytes(size)})`, yes)
    await sharing.openLink(id, signal)
  }
  const format = formatOfName(name)
  const shared = sharedLink(id, address, name, format)
  const can = before === 'writer' ? 'change' : before === 'commenter' ? 'read and comment on' : 'read'
  const lines = [
    `Shared${before === undefined ? '' : ' already'}: anyone with the link can ${can} ${location} (${formatBytes(size)})`,
    ...describeLink(shared, location, format),
    ...(others > 0 ? [`  Beside that it is shared with ${plural(others, 'person or group', 'people or groups')} by name.`] : []),
  ]
  console.print(lines, { command: 'share', file: location, already: before !== undefined, others, shared })
}

/** All files of that name: a link may lead to any of them. */
async function end(session: Session, { location, sharing }: OrdinaryDriveFile, files: readonly DriveFile[]): Promise<void> {
  const { console, signal } = session
  let ended = 0
  let failure: AppError | undefined
  for (const { id } of files) {
    try {
      await sharing.link(id, signal)
      if (await sharing.closeLink(id, signal)) ended++
    } catch (error) {
      if (!isAppError(error) || error.code === 'interrupted') throw error
      failure ??= error
    }
  }
  if (failure !== undefined) {
    if (ended > 0) console.reporter.note(`The sharing of ${ended} of ${files.length} files ${location} has ended.`)
    throw failure
  }
  const of = files.length === 1 ? location : `${files.length} files ${location}`
  const line = ended === 0 ? `Not shared: no link opens ${of} for everyone` : `No longer shared: no link opens ${of} for everyone any more`
  console.result([line], { command: 'share', file: location, revoked: ended })
}
