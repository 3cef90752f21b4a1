import { existsSync, statSync } from 'node:fs'
import { homedir } from 'node:os'
import { basename, dirname, join, resolve, sep } from 'node:path'
import { lookAt } from '../../local/look-at.ts'
import { realPathOf } from '../../local/real-path.ts'
import { AppError, errnoOf } from '../../util/errors.ts'
import { versionLabel, type StoredSnapshot } from '../format/snapshot.ts'
import type { OpenRepository } from '../open/open.ts'
import { readManifest } from '../read/read-manifest.ts'
import type { SelectedEntry } from './selection.ts'
import { writeError } from './refusals.ts'

/** The destination of a snapshot: a folder, or for a single file the path `file` in that folder. */
export interface Place {
  folder: string
  file: string | undefined
  /** Whether the command names the file: as the destination, by its path in the version, or by the version's name. */
  isNamed: boolean
  /** Whether programs look for this user's settings in it: the home folder, the current one, or one above them. */
  isLivedIn: boolean
}

/** Where a version, or the selected entry of it, goes. `destination` is as the person gave it. */
export async function placeOf(
  repository: OpenRepository,
  snapshot: StoredSnapshot,
  selected: SelectedEntry | undefined,
  destination: string | undefined,
): Promise<Place> {
  if ((selected ?? snapshot.source).type === 'directory') {
    const folder = realDestination(resolve(destination ?? (selected ? basename(selected.path) : snapshot.name)))
    return { folder, file: undefined, isNamed: true, isLivedIn: isLivedIn(folder) }
  }
  const path = resolve(destination ?? '.')
  const there = existsSync(path) ? statSync(path) : undefined
  const isFolder = destination === undefined || /[/\\]$/.test(destination) || there?.isDirectory() === true
  if (!isFolder) {
    // a file in the place of /dev/null would break the machine
    if (there?.isFile() === false)
      throw noDestination(`${path} is a pipe, a socket or a device, not a file; colab-escape cat prints a file.`)
    const folder = realDestination(dirname(path))
    return { folder, file: join(folder, basename(path)), isNamed: true, isLivedIn: false }
  }
  const name = selected ? basename(selected.path) : await expectedName(repository, snapshot, destination)
  const folder = realDestination(path)
  return { folder, file: join(folder, name), isNamed: selected !== undefined || isNamedBy(snapshot.name, name), isLivedIn: false }
}

function isLivedIn(folder: string): boolean {
  const above = folder.endsWith(sep) ? folder : `${folder}${sep}`
  return [homedir(), process.cwd()].some(lived => `${realOr(lived)}${sep}`.startsWith(above))
}

function realOr(path: string): string {
  try {
    return realPathOf(path)
  } catch {
    return path
  }
}

/** `model` and `model.pt` are what a person expects of a version called `model`. */
function isNamedBy(version: string, file: string): boolean {
  return file === version || file.startsWith(`${version}.`)
}

/**
 * The name of the only file of a version. Who pushed it chose the name, so it must be the one that the version shows as
 * its source, and no hidden one: a stranger's version must not become somebody's `.bashrc`.
 */
async function expectedName(repository: OpenRepository, snapshot: StoredSnapshot, destination: string | undefined): Promise<string> {
  let name = ''
  for await (const { path } of readManifest(repository, snapshot)) name = path
  const source = snapshot.source.path.split(/[/\\]/).at(-1)!
  const isHidden = name.startsWith('.') && name !== snapshot.name
  if (name.toWellFormed() === source.toWellFormed() && !isHidden) return name
  const label = versionLabel(snapshot)
  const why = isHidden ? 'which is hidden' : `but its source was called ${JSON.stringify(source)}`
  throw new AppError('denied', `The file of ${label} is called ${JSON.stringify(name)}, ${why}; nothing was written.`, {
    hint: `Name the file that it should become: colab-escape pull ${label} ${join(destination ?? '.', 'NAME')}`,
  })
}

/**
 * Resolves the destination, which may be a symlink itself. Below it, no symlink is followed. Throws `io` if something
 * else than a folder is there, or where a folder above it would be.
 */
function realDestination(path: string): string {
  let real: string
  try {
    real = realPathOf(path)
  } catch (error) {
    if (errnoOf(error) === 'ELOOP') throw noDestination(`${path} is, or leads through, a symlink that leads back to itself.`, error)
    throw writeError(error, path)
  }
  requireFolder(real)
  return real
}

function requireFolder(path: string): void {
  const item = lookAt(path)
  if (item.type === 'file') throw noDestination(`${path} is a file, not a folder.`)
  if (item.type === 'symlink') throw noDestination(`${path} is a symlink to ${item.target}, which does not exist.`)
  if (item.type === 'other') throw noDestination(`${path} is a pipe, a socket or a device, not a folder.`)
  if (item.type === 'absent' && dirname(path) !== path) requireFolder(dirname(path))
}

function noDestination(message: string, cause?: unknown): AppError {
  return new AppError('io', message, { hint: 'Name another destination, or move that away.', cause })
}
