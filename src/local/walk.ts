/*
 * Files of this machine: listing, identifying, naming and timing them. It does not know repositories or archives; both
 * are built on it.
 */

import { lstatSync, readdirSync } from 'node:fs'
import { basename, join, resolve, sep } from 'node:path'
import { AppError, errnoOf, isAppError, messageOf, throwIfAborted } from '../util/errors.ts'
import { Breather } from '../util/event-loop.ts'
import { comparePaths, decodeFileName, fsPath } from '../util/paths.ts'
import type { Reporter } from '../util/reporter.ts'
import { decodeText, isUtf16, readSmallFile, UnfitFile } from '../util/small-file.ts'
import { modeOf } from './attributes.ts'
import { fingerprintOf, type Fingerprint } from './fingerprint.ts'
import { checkPatterns, EXCLUDE, IGNORE_FILE, IgnoreRules } from './ignore-rules.ts'
import { LeftOutParts } from './left-out.ts'
import type { OwnFiles } from './own-files.ts'
import { isPartName } from './part-names.ts'
import { spelledPath } from './real-path.ts'
import { readTarget } from './symlinks.ts'

/** Far more than anybody writes; a larger file is something else. */
const MAX_IGNORE_BYTES = 1024 * 1024

export interface WalkedEntry {
  /** Path as in the manifest. */
  path: string
  /** Path on this machine. */
  localPath: string
  type: 'file' | 'directory' | 'symlink'
  mode: number
  fingerprint: Fingerprint
  /** Symlinks only. */
  target?: string
}

export interface WalkResult {
  /** Sorted by path, like the manifest. */
  entries: WalkedEntry[]
  rootType: 'directory' | 'file'
  /** Absolute path of the source, with links resolved. */
  root: string
  /** Of a source that is a folder. */
  rootAttributes?: { mode: number; mtime: bigint }
  /**
   * Entries that could not be read: folders that could not be listed, which are in the result themselves, and entries
   * of an unknown type, which are not.
   */
  unreadable: { path: string; localPath: string }[]
  /** Number of `unreadable`. */
  failed: number
  /** Local paths of files that interrupted pulls left. They are not part of the source. */
  partFiles: string[]
  /** What is inside the source and not in `entries`, although it could be read. */
  leftOut: LeftOutParts
  /** Number of files that are another file of the source under a further name, a hard link. */
  hardLinks: number
}

export interface WalkOptions {
  excludes?: readonly string[]
  /** What is left out though it is inside the source. */
  skip?: OwnFiles | undefined
  reporter: Reporter
  signal?: AbortSignal | undefined
}

/**
 * Lists a source in an order that depends on its content only. Uses synchronous calls, which are several times faster
 * here than promises. Symlinks are entries and never followed (except the root). Sockets, pipes and devices are skipped
 * with a note, and so are files of the program itself. Unreadable items are warned about and counted. Throws `usage` if
 * the source is, or lies in, a file or folder to skip.
 */
export async function walk(source: string, options: WalkOptions): Promise<WalkResult> {
  const root = rootOf(source)
  checkPatterns(EXCLUDE, options.excludes ?? [], root)
  options.skip?.refuse(root)
  const stats = lstatSync(fsPath(root), { bigint: true })
  if (stats.isFile()) {
    const entry = { path: basename(root), localPath: root, type: 'file' as const, mode: modeOf(stats), fingerprint: fingerprintOf(stats) }
    const leftOut = new LeftOutParts(stats.dev)
    return { entries: [entry], rootType: 'file', root, unreadable: [], failed: 0, partFiles: [], leftOut, hardLinks: 0 }
  }
  if (!stats.isDirectory()) throw new AppError('usage', `${source} is neither a file nor a folder.`, { hint: 'Push a file or a folder.' })
  const walker = new Walker(root, options, new LeftOutParts(stats.dev))
  await walker.run()
  walker.entries.sort((a, b) => comparePaths(a.path, b.path))
  const { entries, unreadable, partFiles, leftOut, hardLinks } = walker
  const rootAttributes = { mode: modeOf(stats), mtime: stats.mtimeNs }
  return { entries, rootType: 'directory', root, rootAttributes, unreadable, failed: unreadable.length, partFiles, leftOut, hardLinks }
}

function isDanglingLink(path: string): boolean {
  return lstatSync(path, { throwIfNoEntry: false })?.isSymbolicLink() === true
}

function rootOf(source: string): string {
  try {
    return spelledPath(resolve(source))
  } catch (error) {
    const code = errnoOf(error)
    if (code === 'ENOENT' || code === 'ENOTDIR')
      throw new AppError(
        'not-found',
        code === 'ENOENT' && isDanglingLink(source) ? `${source} is a symlink to what does not exist.` : `${source} does not exist.`,
        {
          hint: 'Check the path. A relative path starts at the current folder.',
          cause: error,
        },
      )
    if (code === 'ELOOP')
      throw new AppError('io', `${source} can't be read: it is, or leads through, a symlink that leads back to itself.`, {
        hint: 'Point the symlink to a file or folder, or name another path.',
        cause: error,
      })
    throw unreadable(source, error)
  }
}

function unreadable(path: string, error: unknown): AppError {
  // macOS asks for each program, and keeps the answer
  const isProtected = process.platform === 'darwin' && errnoOf(error) === 'EPERM'
  const hint = isProtected
    ? 'macOS protects this folder. Allow your terminal to read it: System Settings, Privacy & Security, Files and Folders.'
    : 'Check its permissions.'
  return new AppError('io', `${path} can't be read: ${messageOf(error)}`, { hint, cause: error })
}

class Walker {
  readonly entries: WalkedEntry[] = []
  readonly partFiles: string[] = []
  readonly unreadable: WalkResult['unreadable'] = []
  readonly leftOut: LeftOutParts
  hardLinks = 0
  /** Files that have several names: their inode and device. */
  private readonly linked = new Set<string>()
  private readonly root: string
  private readonly options: WalkOptions
  private readonly rules: IgnoreRules
  private seen = 0

  constructor(root: string, options: WalkOptions, leftOut: LeftOutParts) {
    this.root = root
    this.options = options
    this.leftOut = leftOut
    this.rules = new IgnoreRules(options.excludes)
  }

  async run(): Promise<void> {
    const folders = ['']
    const turns = new Breather()
    for (let folder = folders.pop(); folder !== undefined; folder = folders.pop()) {
      for (const name of this.list(folder)) {
        const path = folder === '' ? name : `${folder}/${name}`
        if (this.visit(path) === 'directory') folders.push(path)
        this.seen++
        if (turns.isDue()) {
          this.options.reporter.progress({ phase: 'scanning', doneFiles: this.seen })
          await turns.breathe()
          throwIfAborted(this.options.signal)
        }
      }
    }
    const idle = this.rules.describeIdleLines()
    if (idle !== undefined) this.options.reporter.note(`${this.root} has ${idle}`)
  }

  private list(folder: string): string[] {
    const local = this.local(folder)
    try {
      const all = readdirSync(fsPath(local), { encoding: 'buffer' }).map(decodeFileName)
      const names = all.filter(name => !isPartName(name))
      if (names.length < all.length) for (const name of all.filter(isPartName)) this.addPartFile(join(local, name))
      if (names.includes(IGNORE_FILE)) this.addRules(folder, join(local, IGNORE_FILE))
      return names
    } catch (error) {
      if (folder === '') throw isAppError(error) ? error : unreadable(local, error)
      if (errnoOf(error) === 'ENOENT') this.forget(folder)
      else this.fail(folder, error)
      return []
    }
  }

  /**
   * A broken link, or a folder or pipe of that name, is no ignore file. If one can't be read, what must stay out is
   * unknown: then nothing of the folder is in the source. Throws `io`.
   */
  private addRules(folder: string, path: string): void {
    const { reporter } = this.options
    try {
      const rules = readSmallFile(path, { maxBytes: MAX_IGNORE_BYTES })
      this.rules.addFile(folder, decodeText(rules))
      if (isUtf16(rules)) reporter.note(`${path} is in UTF-16 and counts; git and other tools read such files only in UTF-8`)
    } catch (error) {
      if (error instanceof UnfitFile) reporter.warn(`${path} is not used: ${error.message}. Nothing is left out because of it`)
      else if (!['ENOENT', 'ELOOP'].includes(errnoOf(error) ?? ''))
        throw new AppError(
          'io',
          `${path} can't be read: ${messageOf(error)}. What it leaves out is unknown, so nothing in its folder is read.`,
          {
            hint: 'Make it readable, or remove it.',
            cause: error,
          },
        )
    }
  }

  private addPartFile(localPath: string): void {
    this.partFiles.push(localPath)
    const stats = lstatSync(fsPath(localPath), { bigint: true, throwIfNoEntry: false })
    if (stats) this.leftOut.add({ reason: 'unfinished-pull' }, localPath, stats)
  }

  private visit(path: string): WalkedEntry['type'] | undefined {
    const localPath = this.local(path)
    try {
      const stats = lstatSync(fsPath(localPath), { bigint: true })
      const type = stats.isFile() ? 'file' : stats.isDirectory() ? 'directory' : stats.isSymbolicLink() ? 'symlink' : undefined
      const rule = this.rules.ignoredBy(path, type === 'directory')
      if (rule !== undefined) {
        this.leftOut.add(rule === EXCLUDE ? { reason: 'exclude' } : { reason: 'ignore-file', ignoreFile: rule }, localPath, stats)
        return undefined
      }
      if (type === undefined) {
        this.leftOut.add({ reason: 'special' }, localPath, stats)
        this.options.reporter.note(`skipped ${localPath}: it is neither a file, a folder nor a symlink`)
        return undefined
      }
      const own = type === 'symlink' ? undefined : this.options.skip?.whatIs(localPath, stats)
      if (own !== undefined) {
        this.leftOut.add({ reason: 'own' }, localPath, stats)
        this.options.reporter.note(`skipped ${localPath}: it is ${own}`)
        return undefined
      }
      const entry: WalkedEntry = { path, localPath, type, mode: modeOf(stats), fingerprint: fingerprintOf(stats) }
      if (type === 'symlink') entry.target = readTarget(fsPath(localPath))
      this.entries.push(entry)
      if (type === 'file' && stats.nlink > 1n) this.countLink(`${stats.ino} ${stats.dev}`)
      return type
    } catch (error) {
      if (error instanceof AppError) throw error
      // it was removed after its folder was listed, so it is not part of the source any more
      if (errnoOf(error) === 'ENOENT') this.vanished(localPath)
      else this.fail(path, error)
      return undefined
    }
  }

  private countLink(file: string): void {
    if (this.linked.has(file)) this.hardLinks++
    else this.linked.add(file)
  }

  /** A folder that was removed before it could be listed is not part of the source any more. */
  private forget(folder: string): void {
    this.entries.splice(
      this.entries.findLastIndex(({ path }) => path === folder),
      1,
    )
    this.vanished(this.local(folder))
  }

  private vanished(localPath: string): void {
    this.options.reporter.note(`${localPath} vanished while the folder was being listed`)
  }

  private local(path: string): string {
    if (path === '') return this.root
    return sep === '\\' ? join(this.root, path) : this.root === '/' ? `/${path}` : `${this.root}/${path}`
  }

  private fail(path: string, error: unknown): void {
    const localPath = this.local(path)
    this.unreadable.push({ path, localPath })
    this.options.reporter.warn(isAppError(error) ? error.message : `${localPath} can't be read: ${messageOf(error)}`)
  }
}
