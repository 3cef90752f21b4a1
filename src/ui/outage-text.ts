import type { AppError } from '../util/errors.ts'
import type { Outage } from '../util/patience.ts'

type Waiting = Outage & { kind: 'waiting' }

function why({ code, repeat }: AppError): string {
  if (code === 'throttled') return 'Drive limits how fast it is used'
  if (repeat === 'long') return 'Drive has trouble'
  return repeat === 'if-answered' ? "Google can't be reached" : 'The store gives no proper answer'
}

/** A wait as one line, which counts down. Times are ms of any monotonic clock. */
export class OutageText {
  private readonly waiting: Waiting
  private readonly since: number
  private readonly until: Date

  constructor(waiting: Waiting, now: number) {
    this.waiting = waiting
    this.since = now
    this.until = new Date(Date.now() + waiting.leftMs)
  }

  line(now: number): string {
    const seconds = Math.ceil((this.since + this.waiting.nextTryMs - now) / 1000)
    const next = seconds > 0 ? `next try in ${seconds} s` : 'trying again'
    return `${why(this.waiting.error)}: ${next}, until ${this.until.toTimeString().slice(0, 5)}`
  }
}
