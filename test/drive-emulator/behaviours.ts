import type { CallKind } from './call.ts'
import { badRequest, fileNotFound, GoogleError, rateLimited } from './errors.ts'
import type { DriveFile } from './file-store.ts'
import { FOLDER } from './file-store.ts'
import { REFUSALS } from './refusals.ts'
import type { Refusal } from './refusals.ts'

/** For a time every call is refused, in turn with each of `with`. */
interface Storm {
  /** The call with which it begins, counted from 1. */
  atCall: number
  ms: number
  with: readonly Refusal[]
}

/**
 * What people have met on the real Drive, though its reference does not tell it. Whatever is absent does not happen.
 * Times are ms by a clock of their own, see `timeScale`.
 */
export interface Behaviours {
  /** So many times faster than time itself: minutes of Drive are seconds of a test. 1 unless told. */
  timeScale?: number
  /**
   * Throttling that lasts for minutes: rclone#485 (from 11:00:09 to 11:05:46), #3199, #5950 (January 2022). Errors of
   * the front end come as pages or with no body at all, others in the newer form: duplicacy#447 (June 2018).
   */
  storms?: readonly Storm[]
  /**
   * Quotas count by the minute and the user (developers.google.com/workspace/drive/api/guides/limits, 2026); new files
   * have a pace of their own, some two a second: rclone's documentation of the Drive backend ("Limitations").
   */
  creationsPerMinute?: number
  /**
   * What a query for the children of several folders finds: those of the first one, or nothing, always with
   * `incompleteSearch` false and always for the same folders: rclone#3114 (April 2019), #4289 (May 2020), #9810
   * (August 2026), #9811 (September 2026). `all` is what the reference promises; `first` unless told.
   */
  severalParents?: 'all' | 'first' | 'none'
  /**
   * Every so many listings one leaves out half of its files, and says so in `incompleteSearch`: the reference of
   * `files.list`.
   */
  incompleteSearchEvery?: number
  /**
   * Of files whose SHA-256 begins with a byte below this, 403 cannotDownloadAbusiveFile, unless their owner says
   * `acknowledgeAbuse=true`, which is an error for other files. It befalls compressed and encrypted chunks:
   * duplicacy#433 (June 2018), rclone#2338 (June 2018).
   */
  abusiveBelow?: number
  /**
   * The last piece of every upload is answered 308 at first, with all of it stored or with nothing: itchio/butler#71
   * (August 2016), google-api-python-client#283 (September 2016).
   */
  unfinishedLastPieces?: boolean
  /**
   * So long after a folder was made nothing can be put into it, and its listing is "File not found: .":
   * rkhwaja/fs.googledrivefs#52 (March 2021).
   */
  newFoldersAreMissingMs?: number
  /** New files are in no listing for so long, though by id they are there: auto-archiver#191 (February 2025). */
  listingLagMs?: number
  /**
   * So long after an upload a file has none of its sums: ocw-studio#648 (October 2021). The reference says of none of
   * them that it is always there.
   */
  sumsAreMissingMs?: number
}

const MINUTE = 60_000

/** All that can be asked for alone: `DRIVE_PROFILE=storms,sums`. */
const BEHAVIOURS = {
  storms: {
    storms: [
      { atCall: 5, ms: MINUTE / 3, with: ['userRateLimitExceeded', 'rateLimitExceeded', 'rateLimitInDetails', 'tooManyRequestsEmpty'] },
      { atCall: 60, ms: MINUTE / 4, with: ['badGatewayPage', 'backendError', 'unavailableEmpty', 'internalError'] },
      { atCall: 110, ms: 3 * MINUTE, with: ['tooManyRequests', 'sharingRateLimitExceeded'] },
    ],
  },
  frontend: { storms: [{ atCall: 25, ms: 4000, with: ['forbiddenPage'] }] },
  details: { storms: [{ atCall: 15, ms: 4000, with: ['rateLimitInDetails'] }] },
  quotas: { creationsPerMinute: 120 },
  parents: { severalParents: 'none' },
  search: { incompleteSearchEvery: 6 },
  abuse: { abusiveBelow: 48 },
  pieces: { unfinishedLastPieces: true },
  folders: { newFoldersAreMissingMs: 20_000 },
  lag: { listingLagMs: 20_000 },
  sums: { sumsAreMissingMs: 20_000 },
} as const satisfies Record<string, Behaviours>

const SCALE = 20

/** The one place where the environment is asked: `real` is all of them. */
export function behavioursOf(given: Behaviours | undefined): Behaviours {
  const profile = process.env.DRIVE_PROFILE ?? ''
  if (given !== undefined || profile === '') return given ?? {}
  const all: Readonly<Record<string, Behaviours>> = BEHAVIOURS
  const names = profile.split(',').flatMap(name => (name === 'real' ? Object.keys(all) : [name]))
  const unknown = names.find(name => all[name] === undefined)
  if (unknown !== undefined) throw new Error(`DRIVE_PROFILE knows no ${unknown}: it takes real, ${Object.keys(all).join(', ')}.`)
  const chosen = names.map(name => all[name] ?? {})
  const storms = chosen.flatMap(behaviours => behaviours.storms ?? [])
  return { timeScale: SCALE, ...chosen.reduce((some, more) => ({ ...some, ...more }), {}), ...(storms.length > 0 ? { storms } : {}) }
}

const CREATIONS: readonly CallKind[] = ['files.create', 'files.copy', 'upload.media', 'upload.multipart', 'upload.start']

/** The state of what befalls clients of one Drive. */
export class Conduct {
  readonly behaviours: Behaviours
  private readonly realNow: () => number
  private readonly began: number
  /** ms that went by without any time: clients that do not really wait. */
  private passed = 0
  private calls = 0
  private listings = 0
  private lastPieces = 0
  private storm: { until: number; with: readonly Refusal[]; refused: number } | undefined
  private minute = { number: -1, creations: 0 }
  private readonly since = new WeakMap<DriveFile, number>()

  constructor(behaviours: Behaviours, realNow: () => number) {
    this.behaviours = behaviours
    this.realNow = realNow
    this.began = realNow()
  }

  get timeScale(): number {
    return this.behaviours.timeScale ?? 1
  }

  private now(): number {
    return (this.realNow() - this.began) * this.timeScale + this.passed
  }

  /** A client waits `ms` without waiting. */
  pass(ms: number): void {
    this.passed += ms
  }

  /** Whatever is there has been there for long. */
  settle(): void {
    this.pass(60 * MINUTE)
  }

  /** The content of a file is new, or the file is. */
  renewed(file: DriveFile): void {
    this.since.set(file, this.now())
  }

  private isYounger(file: DriveFile, ms: number | undefined): boolean {
    return ms !== undefined && this.now() - (this.since.get(file) ?? -Infinity) < ms
  }

  /** Throws where a storm or a quota is in the way of a call to Drive. */
  admit(kind: CallKind): void {
    const now = this.now()
    this.calls++
    const begins = this.behaviours.storms?.find(storm => storm.atCall === this.calls)
    if (begins !== undefined) this.storm = { until: now + begins.ms, with: begins.with, refused: 0 }
    if (this.storm !== undefined && now < this.storm.until) {
      const refusal = this.storm.with[this.storm.refused++ % this.storm.with.length]
      // what a storm refuses does not bring the next one nearer
      this.calls--
      if (begins !== undefined) this.calls++
      if (refusal !== undefined) throw REFUSALS[refusal]()
    }
    if (this.behaviours.creationsPerMinute !== undefined && CREATIONS.includes(kind)) this.count(Math.floor(now / MINUTE))
  }

  private count(minute: number): void {
    if (minute !== this.minute.number) this.minute = { number: minute, creations: 0 }
    if (++this.minute.creations > (this.behaviours.creationsPerMinute ?? Infinity)) throw rateLimited()
  }

  requireThere(folder: DriveFile, name: string): void {
    if (folder.mimeType === FOLDER && folder.parent !== undefined && this.isYounger(folder, this.behaviours.newFoldersAreMissingMs))
      throw fileNotFound(name)
  }

  isListed(file: DriveFile): boolean {
    return !this.isYounger(file, this.behaviours.listingLagMs)
  }

  hasSums(file: DriveFile): boolean {
    return !this.isYounger(file, this.behaviours.sumsAreMissingMs)
  }

  /** Whether the listing that is being made leaves out a part. */
  isIncomplete(): boolean {
    const every = this.behaviours.incompleteSearchEvery
    return every !== undefined && ++this.listings % every === 0
  }

  /** How much of a last piece arrives at its first sending: all of it, or all but unsaid, or nothing. */
  lastPiece(): 'whole' | 'stored' | 'lost' {
    if (this.behaviours.unfinishedLastPieces !== true) return 'whole'
    return this.lastPieces++ % 2 === 0 ? 'lost' : 'stored'
  }

  requireHarmless(file: DriveFile, isAcknowledged: boolean): void {
    const { abusiveBelow = 0 } = this.behaviours
    if (abusiveBelow === 0 || file.content === undefined) return
    const isFlagged = Number.parseInt(file.content.sum('sha256').slice(0, 2), 16) < abusiveBelow
    if (isAcknowledged && !isFlagged) throw badRequest('Only files that are flagged as abusive can be acknowledged as such.')
    if (isFlagged && !isAcknowledged)
      throw new GoogleError(403, 'cannotDownloadAbusiveFile', 'This file has been identified as malware or spam and cannot be downloaded.')
  }
}
