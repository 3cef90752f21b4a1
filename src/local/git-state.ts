import { execFile } from 'node:child_process'
import { readFileSync, statSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'

export interface GitState {
  commit: string
  branch?: string
  /** Whether tracked files differ from the commit; absent if that could not be determined. */
  dirty?: boolean
}

/**
 * Time limit (ms): `git status` of a large work tree may take longer than a push. After that, `dirty` stays unknown.
 */
const PATIENCE_MS = 2000
const MAX_LINKS = 5

/**
 * The commit of the work tree around `folder` (absolute); undefined without a repository or a commit. Reads commit and
 * branch from `.git` itself. Asks git whether tracked files differ from the commit; leaves that out if git is missing
 * or slow.
 */
export async function readGitState(folder: string, program = 'git'): Promise<GitState | undefined> {
  const found = findWorkTree(folder)
  if (found === undefined) return undefined
  const head = readText(join(found.gitFolder, 'HEAD'))
  const commit = head === undefined ? undefined : resolveRef(head, found)
  if (head === undefined || commit === undefined) return undefined
  const branch = /^ref: refs\/heads\/(.+)$/.exec(head)?.[1]
  const dirty = await askDirty(found.root, program)
  return { commit, ...(branch === undefined ? {} : { branch }), ...(dirty === undefined ? {} : { dirty }) }
}

interface WorkTree {
  root: string
  /** The git directory of this work tree. It holds HEAD. */
  gitFolder: string
  /** The git directory shared by all work trees of a repository. It holds the branches. */
  common: string
}

function findWorkTree(folder: string): WorkTree | undefined {
  for (let root = folder; ; root = dirname(root)) {
    const gitFolder = gitFolderOf(join(root, '.git'))
    if (gitFolder !== undefined) {
      const common = readText(join(gitFolder, 'commondir'))
      return { root, gitFolder, common: common === undefined ? gitFolder : resolve(gitFolder, common) }
    }
    if (dirname(root) === root) return undefined
  }
}

/** `.git` is a folder. In a submodule or an additional work tree it is a file that names the folder. */
function gitFolderOf(path: string): string | undefined {
  const stats = statSync(path, { throwIfNoEntry: false })
  if (stats?.isDirectory()) return path
  const named = stats?.isFile() ? /^gitdir: (.+)$/.exec(readText(path) ?? '')?.[1] : undefined
  return named === undefined ? undefined : resolve(dirname(path), named)
}

function resolveRef(text: string, { gitFolder, common }: WorkTree): string | undefined {
  let value: string | undefined = text
  for (let links = 0; value !== undefined && links < MAX_LINKS; links++) {
    if (/^[0-9a-f]{40}([0-9a-f]{24})?$/.test(value)) return value
    const ref: string | undefined = /^ref: (refs\/[^\0]+)$/.exec(value)?.[1]
    if (ref === undefined || ref.split('/').includes('..')) return undefined
    value = readText(join(gitFolder, ref)) ?? readText(join(common, ref)) ?? packedRef(common, ref)
  }
  return undefined
}

function packedRef(common: string, ref: string): string | undefined {
  const line = readText(join(common, 'packed-refs'))
    ?.split('\n')
    .find(each => each.endsWith(` ${ref}`))
  return line?.slice(0, line.indexOf(' '))
}

function readText(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8').trim()
  } catch {
    return undefined // no git directory, or not readable
  }
}

/**
 * Considers only tracked files. Writes nothing, and does not start a file system monitor that the folder's own settings
 * may name.
 */
function askDirty(root: string, program: string): Promise<boolean | undefined> {
  const args = ['--no-optional-locks', '-c', 'core.fsmonitor=false', '-C', root, 'status', '--porcelain', '--untracked-files=no']
  return new Promise(answer => {
    execFile(
      program,
      args,
      { timeout: PATIENCE_MS, killSignal: 'SIGKILL', windowsHide: true, maxBuffer: 64 * 1024 * 1024 },
      (error, stdout) => answer(error ? undefined : stdout !== ''),
    )
  })
}
