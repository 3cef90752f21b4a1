import { lstatSync } from 'node:fs'
import { dirname, join, resolve, sep } from 'node:path'
import { fsPath } from '../util/paths.ts'
import { readSmallFile } from '../util/small-file.ts'
import { spelledPath } from './real-path.ts'

export interface GitState {
  commit: string
  branch?: string
}

/** HEAD, a branch and the like hold one line. */
const MAX_LINE_BYTES = 8 * 1024
/** Some 200,000 branches and tags. */
const MAX_PACKED_BYTES = 16 * 1024 * 1024
/** The length of a branch that a version can record (docs/format.md). */
const MAX_BRANCH = 1024
const MAX_LINKS = 5

/**
 * The commit of the work tree around `folder` (absolute, with links resolved); undefined without a repository or a
 * commit. Reads a few small files of `.git` and starts no program: git does what the settings in `.git` say, and a
 * folder may have come with somebody else's. For the same reason it reads nothing outside of the git directory, and
 * leaves out whatever is not as git writes it. Whether tracked files differ from the commit is not known: it takes
 * reading them all as git would, because the times in `.git` are not those of a tree that was copied or pulled.
 */
export function readGitState(folder: string): GitState | undefined {
  const found = findGit(folder)
  const head = found && readLine(found.folder, 'HEAD')
  const commit = head && resolveRef(head, found)
  if (!commit) return undefined
  const branch = /^ref: refs\/heads\/(.+)$/.exec(head)?.[1]
  return { commit, ...(branch === undefined || branch.length > MAX_BRANCH ? {} : { branch }) }
}

interface GitFolders {
  /** The git directory of the work tree. It holds HEAD. */
  folder: string
  /** The git directory that all work trees of a repository share. It holds the branches. */
  common: string
}

function findGit(start: string): GitFolders | undefined {
  for (let root = start; ; root = dirname(root)) {
    const folder = gitFolderOf(root)
    if (folder !== undefined) return { folder, common: commonOf(folder) }
    if (dirname(root) === root) return undefined
  }
}

/**
 * `.git` is a folder. In a submodule it is a file that names a folder in the `.git` of a folder above; in an additional
 * work tree, one that names this work tree in turn. No other folder has the state of this tree.
 */
function gitFolderOf(root: string): string | undefined {
  const path = join(root, '.git')
  if (isFolder(path)) return path
  const named = /^gitdir: (.+)$/.exec(readLine(root, '.git') ?? '')?.[1]
  if (named === undefined) return undefined
  const folder = realPath(resolve(root, named))
  if (folder === undefined || !isFolder(folder)) return undefined
  const above = folder.split(`${sep}.git${sep}`, 1)[0]!
  if (isIn(folder, root) || isIn(root, above)) return folder
  const back = readLine(folder, 'gitdir')
  return back !== undefined && realPath(resolve(folder, back)) === path ? folder : undefined
}

function commonOf(folder: string): string {
  const common = resolve(folder, readLine(folder, 'commondir') ?? '.')
  return isIn(folder, join(common, 'worktrees')) ? common : folder
}

function resolveRef(text: string, { folder, common }: GitFolders): string | undefined {
  let value: string | undefined = text
  for (let links = 0; value !== undefined && links < MAX_LINKS; links++) {
    if (/^[0-9a-f]{40}([0-9a-f]{24})?$/.test(value)) return value
    const ref: string | undefined = /^ref: (refs\/.+)$/.exec(value)?.[1]
    if (ref === undefined || ref.split('/').includes('..')) return undefined
    value = readLine(folder, ref) ?? readLine(common, ref) ?? packedRef(common, ref)
  }
  return undefined
}

/** Time: linear in the length of the file. */
function packedRef(common: string, ref: string): string | undefined {
  const packed = readIn(common, 'packed-refs', MAX_PACKED_BYTES)
  const ending = Buffer.from(` ${ref}`)
  for (let start = 0, end; packed !== undefined && start < packed.length; start = end + 1) {
    end = packed.indexOf('\n', start)
    if (end < 0) end = packed.length
    const line = packed.subarray(start, end)
    if (line.length > ending.length && line.subarray(-ending.length).equals(ending))
      return line.toString('latin1', 0, line.length - ending.length)
  }
  return undefined
}

/** The only line of a file; undefined if that is not what it holds. */
function readLine(folder: string, name: string): string | undefined {
  const bytes = readIn(folder, name, MAX_LINE_BYTES)
  try {
    const text = bytes && new TextDecoder('utf-8', { fatal: true }).decode(bytes).trim()
    // eslint-disable-next-line no-control-regex
    return text === undefined || /[\u0000-\u001f\u007f-\u009f]/.test(text) ? undefined : text
  } catch {
    return undefined
  }
}

/** The content of a file that really lies in `folder`. */
function readIn(folder: string, name: string, maxBytes: number): Buffer | undefined {
  const path = realPath(join(folder, name))
  try {
    return path !== undefined && isIn(path, folder) ? readSmallFile(path, { maxBytes }) : undefined
  } catch {
    return undefined // it is unfit, or this user may not read it
  }
}

/** Undefined if there is nothing, or nothing that this user may find. */
function realPath(path: string): string | undefined {
  try {
    return spelledPath(path)
  } catch {
    return undefined
  }
}

const isIn = (path: string, folder: string): boolean => path.startsWith(folder.endsWith(sep) ? folder : folder + sep)

function isFolder(path: string): boolean {
  try {
    return lstatSync(fsPath(path)).isDirectory()
  } catch {
    return false
  }
}
