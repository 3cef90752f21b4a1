import { AppError } from '../../util/errors.ts'

/** Drive has not known new folders for up to 5 minutes (rkhwaja/fs.googledrivefs#52, auto-archiver#191). */
const YOUNG_MS = 5 * 60_000
/** How often Drive may not know what it has known before, or a file, whose upload it has confirmed. */
const MOST_LAPSES = 5

interface Young {
  /** ms since 1970. */
  since: number
  /** Whether Drive may not have heard of it everywhere. Its lapses are counted otherwise. */
  isUnheard: boolean
  lapses: number
}

/** Files and folders that were made a moment ago: that Drive does not find them does not mean that they are gone. */
export class YoungIds {
  private readonly now: () => number
  private readonly young = new Map<string, Young>()

  constructor(now: () => number) {
    this.now = now
  }

  addFile(id: string): void {
    if (!this.young.has(id)) this.add(id, { since: this.now(), isUnheard: false, lapses: 0 })
  }

  /** Call it when Drive has listed a file, or is told to delete it: it is gone if it is not found from now on. */
  forget(id: string): void {
    const young = this.young.get(id)
    if (young) Object.assign(young, { isUnheard: false, lapses: MOST_LAPSES })
  }

  /** `age`: ms, if another program may have made it. */
  addFolder(id: string, age = 0): void {
    if (age < YOUNG_MS && !this.young.has(id)) this.add(id, { since: this.now() - age, isUnheard: true, lapses: 0 })
  }

  private add(id: string, young: Young): void {
    for (const [other, { since }] of this.young) if (this.now() - since > YOUNG_MS) this.young.delete(other)
    this.young.set(id, young)
  }

  /** Drive has done something in the folders that a request names as parents. */
  heard(request: string): void {
    if (request.includes('parents')) for (const young of this.namedIn(request)) young.isUnheard = false
  }

  /** Whether a request may not be answered with 404 because of what it names. */
  excuses(request: string): boolean {
    return this.namedIn(request).some(young => this.now() - young.since <= YOUNG_MS && (young.isUnheard || young.lapses++ < MOST_LAPSES))
  }

  /** Ids are random and long, so nothing else in a request looks like one. */
  private namedIn(request: string): Young[] {
    if (this.young.size === 0) return []
    return (request.match(/[\w-]+/g) ?? []).flatMap(word => this.young.get(word) ?? [])
  }
}

export function notKnownYet(task: string): AppError {
  return new AppError('unavailable', `Drive did not ${task}: it does not know yet what was made there a moment ago.`, {
    hint: 'This can take it some minutes: run the same command again then, it continues where it stopped.',
    repeat: 'long',
  })
}
