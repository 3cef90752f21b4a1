import type { Conduct } from './behaviours.ts'
import type { Call, Reply } from './call.ts'
import { badRequest, TextError } from './errors.ts'
import { parseContentRange } from './ranges.ts'
import type { ContentRange } from './ranges.ts'
import { randomText } from './surroundings.ts'
import type { Surroundings } from './surroundings.ts'

/** Pieces but the last are multiples of this, and so is what the server keeps of a broken one. */
export const GRANULE = 256 * 1024
const WEEK = 7 * 24 * 3600 * 1000

export interface SessionPlan {
  /** Bytes, if the client declared them. */
  total: number | undefined
  /** Stores the whole content; may throw what the client is to read. */
  complete: (bytes: Buffer) => Promise<Reply>
}

interface Session extends SessionPlan {
  opened: number
  pieces: Buffer[]
  received: number
  /** What became of the last piece when it came first. */
  lastPiece: 'whole' | 'stored' | 'lost' | undefined
  /** The final answer, for whoever asks again. */
  answer: Promise<Reply> | undefined
}

/** Resumable uploads: what has arrived counts, not what was sent. */
export class ResumableSessions {
  private readonly surroundings: Surroundings
  private readonly conduct: Conduct
  private readonly sessions = new Map<string, Session>()

  constructor(surroundings: Surroundings, conduct: Conduct) {
    this.surroundings = surroundings
    this.conduct = conduct
  }

  /** Returns the secret that names the session. */
  open(plan: SessionPlan): string {
    const id = `AHmUCY${randomText(this.surroundings.random, 80)}`
    this.sessions.set(id, { ...plan, opened: this.surroundings.now(), pieces: [], received: 0, lastPiece: undefined, answer: undefined })
    return id
  }

  /** Forgets all sessions, as Drive sometimes does long before the week is over. */
  forgetAll(): void {
    this.sessions.clear()
  }

  async continue(call: Call): Promise<Reply> {
    const session = this.sessions.get(call.query.get('upload_id') ?? '')
    if (session === undefined) throw new TextError(404, 'Not Found')
    if (this.surroundings.now() - session.opened >= WEEK) throw new TextError(410, 'Gone')
    const range = this.rangeOf(call)
    if (session.answer !== undefined) return session.answer
    if (range.total !== undefined) {
      if (session.total !== undefined && session.total !== range.total)
        throw badRequest(`The total of ${range.total} bytes is not the declared one of ${session.total} bytes.`)
      session.total = range.total
    }
    if (range.type === 'piece') {
      const isFirst = range.last + 1 === session.total && session.lastPiece === undefined
      if (isFirst) session.lastPiece = this.conduct.lastPiece()
      if (isFirst && session.lastPiece === 'lost') return incomplete(session)
      this.receive(session, range, call)
      if (isFirst && session.lastPiece === 'stored') return incomplete(session)
    }
    if (range.type !== 'piece' && call.body.length > 0) throw badRequest('A Content-Range without a range goes with an empty body.')
    if (!call.complete || session.received !== session.total) return incomplete(session)
    return this.finish(session)
  }

  private rangeOf(call: Call): ContentRange {
    const header = call.headers['content-range']
    if (header !== undefined) return parseContentRange(header)
    const length = call.headers['content-length'] === undefined ? call.body.length : Number(call.headers['content-length'])
    return length === 0 ? { type: 'status', total: 0 } : { type: 'piece', first: 0, last: length - 1, total: length }
  }

  private receive(session: Session, range: ContentRange & { type: 'piece' }, call: Call): void {
    const length = range.last - range.first + 1
    if (call.complete && call.body.length !== length)
      throw badRequest(`The Content-Range speaks of ${length} bytes, the body has ${call.body.length}.`)
    if (range.first > session.received)
      throw new TextError(
        503,
        `Invalid request.  According to the Content-Range header, the upload offset is ${range.first} byte(s), which exceeds already uploaded size of ${session.received} byte(s).`,
      )
    if (range.last + 1 !== session.total && length % GRANULE !== 0)
      throw badRequest(
        `Invalid request.  The number of bytes uploaded is required to be equal or greater than ${GRANULE}, except for the final request (it's recommended to be the exact multiple of ${GRANULE}).  The received request contained ${length} bytes, which does not meet this requirement.`,
      )
    const arrived = Math.min(call.body.length, call.acceptOnlyBytes ?? Infinity)
    const whole = arrived === length
    const kept = whole ? length : Math.floor(arrived / GRANULE) * GRANULE
    // bytes that were here before stay as they are
    const fresh = call.body.subarray(session.received - range.first, kept)
    if (fresh.length === 0) return
    session.pieces.push(fresh)
    session.received += fresh.length
  }

  private async finish(session: Session): Promise<Reply> {
    const answer = session.complete(Buffer.concat(session.pieces))
    session.answer = answer
    try {
      const reply = await answer
      session.pieces = []
      return reply
    } catch (error) {
      // nothing was made: the last piece may be sent again
      session.answer = undefined
      throw error
    }
  }
}

/** 308; without `Range` when nothing has arrived. */
const incomplete = (session: Session): Reply => ({
  status: 308,
  headers: session.received === 0 ? {} : { range: `bytes=0-${session.received - 1}` },
  body: '',
})
