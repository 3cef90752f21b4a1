import { lstatSync, readdirSync, type BigIntStats } from 'node:fs'
import { throwIfAborted } from '../util/errors.ts'
import { Breather } from '../util/event-loop.ts'
import { decodeFileName, fsPath } from '../util/paths.ts'

/**
 * Why a part of a source is left out: an ignore file or `--exclude` says so, it is neither a file nor a folder nor a
 * symlink, it belongs to the program itself, or an interrupted pull has left it.
 */
export type Reason = 'ignore-file' | 'exclude' | 'special' | 'own' | 'unfinished-pull'

/** What one rule has left out of a source. */
export interface LeftOut {
  reason: Reason
  /** The path of the ignore file in the source. */
  ignoreFile: string | undefined
  /** Everything that is no folder. */
  files: number
  folders: number
  bytes: number
  /** False if there is more, which was not counted. */
  isAll: boolean
}

/** Counting ends after this time (ms). A slow mount must not cost a push more than that. */
const LONGEST_COUNT_MS = 1000

/** Collects what a walk leaves out. Folders are counted afterwards, and only if somebody asks. */
export class LeftOutParts {
  private readonly byRule = new Map<string, LeftOut & { unvisited: { localPath: string; dev: bigint }[] }>()
  private readonly dev: bigint

  /** `dev`: the disk of the source. */
  constructor(dev: bigint) {
    this.dev = dev
  }

  add(rule: { reason: Reason; ignoreFile?: string }, localPath: string, stats: BigIntStats): void {
    const key = rule.ignoreFile ?? rule.reason
    let part = this.byRule.get(key)
    if (part === undefined)
      this.byRule.set(key, (part = { ignoreFile: undefined, ...rule, files: 0, folders: 0, bytes: 0, isAll: true, unvisited: [] }))
    countEntry(part, stats)
    if (stats.isDirectory()) part.unvisited.push({ localPath, dev: stats.dev })
  }

  /**
   * The files and bytes that each rule has left out, also in whole folders. Does not look into folders on another disk,
   * and stops after a second.
   */
  async count(signal?: AbortSignal): Promise<LeftOut[]> {
    const until = performance.now() + LONGEST_COUNT_MS
    const counts: LeftOut[] = []
    for (const { unvisited, ...part } of this.byRule.values()) {
      const folders = [...unvisited]
      const turns = new Breather()
      for (let folder = folders.pop(); folder !== undefined; folder = folders.pop()) {
        for (const { localPath, stats } of folder.dev === this.dev ? entriesOf(folder.localPath, part) : []) {
          if (performance.now() > until) break
          countEntry(part, stats)
          if (stats.isDirectory()) folders.push({ localPath, dev: stats.dev })
        }
        if (folder.dev !== this.dev || performance.now() > until) part.isAll = false
        if (turns.isDue()) await turns.breathe()
        throwIfAborted(signal)
      }
      counts.push(part)
    }
    return counts
  }
}

function countEntry(part: LeftOut, stats: BigIntStats): void {
  if (stats.isDirectory()) part.folders++
  else part.files++
  if (stats.isFile()) part.bytes += Number(stats.size)
}

/** The entries of a folder. What can't be looked at is not counted. */
function* entriesOf(folder: string, part: LeftOut): Generator<{ localPath: string; stats: BigIntStats }> {
  try {
    for (const name of readdirSync(fsPath(folder), { encoding: 'buffer' })) {
      const localPath = `${folder}/${decodeFileName(name)}`
      const stats = lstatSync(fsPath(localPath), { bigint: true, throwIfNoEntry: false })
      if (stats) yield { localPath, stats }
    }
  } catch {
    part.isAll = false
  }
}
