import { AppError } from '../../util/errors.ts'

/** Where the path of a place on Drive begins: in My Drive, in a shared drive, or in what has an id. */
export type DriveStart = { in: 'my-drive' } | { in: 'shared-drive'; nameOrId: string } | { in: 'id'; id: string }

/** A folder or file on Drive. With an empty path it is the start itself. */
export interface DrivePlace {
  start: DriveStart
  path: readonly string[]
}

export const MY_DRIVE: DriveStart = { in: 'my-drive' }

/** `drive:A/B` in My Drive, `drive://Team/A/B` in a shared drive, `drive:id=1aB2c/A/B` below the folder of that id. */
export function locationOf({ start, path }: DrivePlace): string {
  if (start.in === 'my-drive') return `drive:${path.join('/')}`
  return [start.in === 'id' ? `drive:id=${start.id}` : `drive://${start.nameOrId}`, ...path].join('/')
}

const BY_ID = /^drive:\/*id=([\w-]{10,200})(?:\/(.*))?$/
const ADDRESS =
  /^(?:https?:\/\/)?drive\.google\.com\/(?:(?:drive\/(?:u\/\d+\/|mobile\/)?folders|(?:u\/\d+\/)?file(?:\/u\/\d+)?\/d)\/([\w-]{10,200})(?:\/(?:view|edit|preview)?)?(?:[?#].*)?|(?:open|uc)\?(?:[^#]*&)?id=([\w-]{10,200})(?:[&#].*)?)$/i

/**
 * The place on Drive that a location names; undefined if it names something on the disk. Throws `usage` for what was
 * meant for Drive, or for another remote, but is written otherwise: a folder of that name would be made on the disk.
 * `exists`: whether something is at a path on the disk.
 */
export function parsePlace(location: string, exists: (path: string) => boolean): DrivePlace | undefined {
  const address = ADDRESS.exec(location)
  if (address) return { start: { in: 'id', id: (address[1] ?? address[2])! }, path: [] }
  if (!location.startsWith('drive:')) return refuseNearMiss(location, exists)
  const byId = BY_ID.exec(location)
  if (byId) return { start: { in: 'id', id: byId[1]! }, path: namesIn(byId[2] ?? '', location) }
  if (!location.startsWith('drive://'))
    return { start: MY_DRIVE, path: inMyDrive(namesIn(location.slice('drive:'.length), location), location) }
  const [nameOrId, ...path] = namesIn(location.slice('drive://'.length), location)
  if (nameOrId === undefined) throw notAPlace(location)
  return { start: { in: 'shared-drive', nameOrId }, path }
}

function namesIn(path: string, location: string): string[] {
  const trimmed = path.replace(/^\/+|\/+$/g, '')
  if (trimmed === '') return []
  const names = trimmed.split('/')
  if (names.some(name => name === '' || name === '.' || name === '..')) throw notAPlace(location)
  return names
}

/** Refuses what was meant otherwise: a push would make a folder of that name. */
function inMyDrive(path: string[], location: string): string[] {
  const shown = JSON.stringify(location)
  const [first = ''] = path
  if (first.startsWith('id='))
    throw new AppError('usage', `${shown} has no id of a folder or file on Drive.`, {
      hint: 'Write drive:id= and the last part of its address in the browser. Is a shell variable unset?',
    })
  if (/^(?:my ?drive|~)$/i.test(first))
    throw new AppError('usage', `${shown} would be a folder named ${JSON.stringify(first)} in My Drive.`, {
      hint: `Paths begin in My Drive already: ${JSON.stringify(`drive:${path.slice(1).join('/')}`)}`,
    })
  const odd = path.find(name => name !== name.trim() || /\\|^["']|["']$|^https?:$|\?usp=/.test(name))
  if (odd !== undefined)
    throw new AppError('usage', `${shown} has a name that no folder should have: ${JSON.stringify(odd)}.`, {
      hint: 'Use names without backslashes, and without blanks or quotes at their ends: drive:Some/Folder. Give the address of a folder whole.',
    })
  return path
}

function notAPlace(location: string): AppError {
  return new AppError('usage', `${JSON.stringify(location)} isn't a path on Drive.`, {
    hint: 'Use drive:Folder or drive:Some/Folder for My Drive, and drive://Name/Folder for a shared drive.',
  })
}

const GOOGLE = /^(?:https?:\/\/)?[a-z]+\.google\.com(?:[/:?#]|$)/i
const NEARLY_DRIVE = /^[\s"'\\]*(?:my|g|google|gd)?[\s\\_-]*drive["']?\s*[:;]\s*/i
const ONLY_DRIVE = /^(?:my|g|google)?[\s_-]?drive$/i
/** A name, then a colon that is not the one of a time of day or of a Windows drive. */
const REMOTE = process.platform === 'win32' ? /^[^/\\:]{2,}:(?<!\d:(?=\d))/ : /^[^/:]+:(?<!\d:(?=\d))/

function refuseNearMiss(location: string, exists: (path: string) => boolean): undefined {
  const shown = JSON.stringify(location)
  const onDisk = `For a folder or file of that name on this disk write ${JSON.stringify(`./${location}`)}.`
  if (GOOGLE.test(location))
    throw new AppError('usage', `${shown} isn't the address of a folder or file on Drive.`, {
      hint: 'Open it in the browser and copy its address, such as https://drive.google.com/drive/folders/1aB2c..., or use drive:Some/Folder.',
    })
  const near = NEARLY_DRIVE.exec(location)
  if (near)
    throw new AppError('usage', `${shown} isn't how a place on Drive is written.`, {
      hint: `Use ${JSON.stringify(`drive:${location.slice(near[0].length)}`)}. ${onDisk}`,
    })
  const [first = ''] = location.split('/')
  if (exists(first)) return undefined
  if (ONLY_DRIVE.test(location))
    throw new AppError('usage', `${shown} isn't a place on Drive.`, { hint: `For Drive use drive:. ${onDisk}` })
  if (REMOTE.test(location))
    throw new AppError('usage', `${shown} is neither a place on Drive nor a path on this disk.`, {
      hint: `For Drive use drive:Some/Folder. Other remotes can be used when they are mounted. ${onDisk}`,
    })
  return undefined
}
