import { existsSync } from 'node:fs'
import { lstat, readdir } from 'node:fs/promises'
import { isAbsolute, join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { AppError, isAppError, messageOf } from '../util/errors.ts'
import { readSmallFile } from '../util/small-file.ts'
import type { Sleep } from '../util/waiting.ts'
import { parseClientFile, type ClientFile } from './credentials.ts'
import { parseObject } from './request.ts'

/** Google's files have some 500 bytes. */
const LARGEST_FILE = 64 * 1024
/** Google's names, also with the number that a browser adds to a second download: `client_secret_1-a (1).json`. */
const NAME = /^client_secret.*\.json$|\.apps\.googleusercontent\.com.*\.json$/i
/** A file that can't be read as JSON for so many looks is not being written any more. */
const PATIENCE = 8
const LOOK_EVERY_MS = 500

export interface FoundClient {
  path: string
  client: ClientFile
}

/** Reads the file of an OAuth client that a person has named, or that was found by its name. Errors: `usage`. */
export function readClientFile(path: string, what = path): ClientFile {
  let text: string
  try {
    text = readSmallFile(path, { maxBytes: LARGEST_FILE }).toString()
  } catch (error) {
    throw new AppError('usage', `${what} can't be read: ${messageOf(error)}.`, {
      hint: 'Give the JSON file that Google gave for your OAuth client (`colab-escape auth setup` shows how to get one).',
      cause: error,
    })
  }
  return parseClientFile(text, path)
}

/** The folder in which a browser saves files: the one of user-dirs.dirs (XDG), else Downloads of the home folder. */
export function downloadsFolder(platform: NodeJS.Platform, home: string, configHome: string | undefined): string {
  const usual = join(home, 'Downloads')
  if (platform === 'win32' || platform === 'darwin') return usual
  const folder = configHome !== undefined && isAbsolute(configHome) ? configHome : join(home, '.config')
  try {
    const text = readSmallFile(join(folder, 'user-dirs.dirs'), { maxBytes: LARGEST_FILE }).toString()
    const set = /^XDG_DOWNLOAD_DIR="(.+)"$/m.exec(text)?.[1]?.replace(/^\$HOME(?=\/|$)/, home)
    return set !== undefined && isAbsolute(set) ? set : usual
  } catch {
    return usual
  }
}

interface Candidate {
  path: string
  /** Changes with the file. */
  state: string
  /** ms since 1970 */
  changedAt: number
}

/** The files in a folder with Google's names, and no links. None if the folder can't be listed. */
async function candidatesIn(folder: string): Promise<Candidate[]> {
  const names = await readdir(folder).catch(() => [])
  const found = names
    .filter(name => NAME.test(name))
    .map(async name => {
      const path = join(folder, name)
      const stats = await lstat(path).catch(() => undefined)
      return stats?.isFile() === true ? [{ path, state: `${path} ${stats.size} ${stats.mtimeMs}`, changedAt: stats.mtimeMs }] : []
    })
  return (await Promise.all(found)).flat()
}

/** Looks into a folder for the file of an OAuth client: for one that is there, or one that comes. */
export class ClientFileFinder {
  readonly folder: string
  /** States of files that were offered, or told to be unfit. */
  private readonly known = new Set<string>()

  constructor(folder: string) {
    this.folder = folder
  }

  /** The newest file of a usable client that was changed after `since`. Whatever is there counts as known then. */
  async newest(since: number): Promise<(FoundClient & { changedAt: number }) | undefined> {
    const candidates = (await candidatesIn(this.folder)).sort((a, b) => b.changedAt - a.changedAt)
    // the browser may be about to write the others
    const whole = candidates.filter(({ path }) => !('unfinished' in look(path)))
    for (const { state } of whole) this.known.add(state)
    for (const { path, changedAt } of whole) {
      const seen = look(path)
      if ('client' in seen && changedAt >= since) return { path, client: seen.client, changedAt }
    }
    return undefined
  }

  /**
   * Waits for the file of a usable client that is not known yet and whose size has settled. Calls `onUnfit` once for
   * each other file. Errors: `interrupted`.
   */
  async next(onUnfit: (error: AppError) => void, sleep: Sleep, signal: AbortSignal): Promise<FoundClient> {
    const looks = new Map<string, number>()
    for (;;) {
      for (const { path, state } of await candidatesIn(this.folder)) {
        if (this.known.has(state)) continue
        const times = (looks.get(state) ?? 0) + 1
        looks.set(state, times)
        if (times < 2) continue
        const seen = look(path)
        if ('unfinished' in seen && times < PATIENCE) continue
        this.known.add(state)
        if ('client' in seen) return { path, client: seen.client }
        onUnfit('unfit' in seen ? seen.unfit : seen.unfinished)
      }
      await sleep(LOOK_EVERY_MS, signal)
    }
  }
}

function look(path: string): { client: ClientFile } | { unfit: AppError } | { unfinished: AppError } {
  try {
    return { client: readClientFile(path) }
  } catch (error) {
    if (!isAppError(error)) throw error
    return isWhole(path) ? { unfit: error } : { unfinished: error }
  }
}

function isWhole(path: string): boolean {
  try {
    return Object.keys(parseObject(readSmallFile(path, { maxBytes: LARGEST_FILE }).toString())).length > 0
  } catch {
    return false
  }
}

/** The path that somebody typed, pasted, or dragged into the terminal: quoted, escaped, with `~`, or as an address. */
export function typedPath(text: string, home: string): string {
  const typed = text.trim()
  const quoted = /^(?:& )?(['"])(.*)\1$/.exec(typed)?.[2]
  const unescaped = quoted ?? (process.platform === 'win32' ? typed : typed.replace(/\\(.)/g, '$1'))
  const path = [typed, unescaped].map(each => absolute(each, home)).find(each => existsSync(each))
  return path ?? absolute(unescaped, home)
}

function absolute(text: string, home: string): string {
  if (text.startsWith('file://') && URL.canParse(text)) {
    try {
      return fileURLToPath(text)
    } catch {
      // an address with a host, which is no path here
    }
  }
  return resolve(text.replace(/^~(?=[/\\]|$)/, () => home))
}
