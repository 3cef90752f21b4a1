import { foldersAbove } from '../../util/paths.ts'
import { seriesOf } from '../bases/file-series.ts'

/** A file that a scan has found, unless it can't be read. */
export interface FoundFile {
  path: string
  /** False while it is written. */
  isFinished: boolean
  /** Whether the last version has it as it is. */
  isSaved: boolean
  /** Whether the last version has an older state of it. */
  isRewritten: boolean
  /** A log is valid at any length, so nothing waits for it. */
  isLog: boolean
  /** When it was first seen, when in this state, and since when it has not been finished; ms. */
  appeared: number
  since: number
  busySince: number
}

export interface TogetherOptions {
  /** Folders with files that a version of this watch has. */
  known: ReadonlySet<string>
  /** When the watch first looked. */
  began: number
  now: number
  settleMs: number
}

/** A folder, or the rewritten files of a folder, whose finished files wait for others. */
interface WaitingGroup {
  /** '' for the watched folder itself. */
  folder: string
  /** Finished, or logs. */
  files: string[]
}

export interface Together {
  waiting: WaitingGroup[]
  /** Groups that have waited too long, each with a file that is still written. */
  late: { folder: string; file: string }[]
}

/** Nothing waits longer for others than this many times the time in which a file settles: 10 min for 5 s. */
const MOST_SETTLE_TIMES = 120
/** Files of a checkpoint are written one after the other, with pauses. */
const NEW_FOLDER_SETTLE_TIMES = 2

interface Group {
  folder: string
  isNew: boolean
  members: FoundFile[]
}

/**
 * Finds the finished files that wait for others, so that a checkpoint of several files comes into one version as a
 * whole: those of a folder of which no version has a file yet, until all its files are still; and those of any folder
 * that replace older ones, until all such files in it are finished.
 */
export function findTogether(files: readonly FoundFile[], { known, began, now, settleMs }: TogetherOptions): Together {
  const longest = MOST_SETTLE_TIMES * settleMs
  const together: Together = { waiting: [], late: [] }
  for (const { folder, isNew, members } of groupsOf(files, known)) {
    const ready = members.filter(({ isFinished, isSaved, isLog }) => !isSaved && (isFinished || isLog))
    if (ready.length === 0) continue
    const finished = firstFinished(ready)
    const busy = members.filter(file => !file.isFinished && !file.isLog && !isOfNextCheckpoint(file, finished, settleMs))
    const isYoung = ({ isLog, appeared, since }: FoundFile): boolean =>
      !isLog && appeared > began && now - since < NEW_FOLDER_SETTLE_TIMES * settleMs
    const isStill = !isNew || !ready.some(isYoung)
    if (busy.length === 0 && isStill) continue
    const isLate = ready.some(file => file.isFinished && now - file.since >= longest)
    if (!isLate && (!isStill || busy.some(file => now - file.busySince < longest)))
      together.waiting.push({ folder, files: ready.map(({ path }) => path) })
    else if (busy[0]) together.late.push({ folder, file: busy[0].path })
  }
  return together
}

function groupsOf(files: readonly FoundFile[], known: ReadonlySet<string>): Iterable<Group> {
  const groups = new Map<string, Group>()
  for (const file of files) {
    const folders = foldersAbove(file.path)
    const young = folders.find(folder => !known.has(folder))
    if (young === undefined && !file.isRewritten) continue
    const folder = young ?? folders.at(-1) ?? ''
    const key = `${young === undefined ? 'rewritten' : 'new'} ${folder}`
    const group = groups.get(key)
    if (group) group.members.push(file)
    else groups.set(key, { folder, isNew: young !== undefined, members: [file] })
  }
  return groups.values()
}

/** Since when the first finished file of each series has been as it is, ms. */
function firstFinished(ready: readonly FoundFile[]): Map<string, number> {
  const first = new Map<string, number>()
  for (const { path, since } of ready.filter(({ isFinished }) => isFinished)) {
    const { series } = seriesOf(path)
    first.set(series, Math.min(since, first.get(series) ?? since))
  }
  return first
}

/**
 * Whether a file that is being written is the next checkpoint of a series of single files, such as epoch-2.pt: an
 * earlier one had been finished for a while when it appeared.
 */
function isOfNextCheckpoint({ path, appeared }: FoundFile, finished: ReadonlyMap<string, number>, settleMs: number): boolean {
  const since = finished.get(seriesOf(path).series)
  return since !== undefined && appeared - since >= settleMs
}
