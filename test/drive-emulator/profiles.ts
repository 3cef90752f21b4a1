import { rateLimited } from './errors.ts'
import type { Surroundings } from './surroundings.ts'

/** The pace of a Drive and of the way there. Whatever is absent costs nothing. */
export interface Profile {
  /** Every call, ms, give or take the share `jitter` of it. */
  latencyMs?: number
  jitter?: number
  /** On top, for a new file or the last piece of an upload, ms. */
  creationMs?: number
  /** Sustained; beyond `burst` (1 unless told) at once the answer is 403 userRateLimitExceeded. */
  creationsPerSecond?: number
  burst?: number
  bytesPerSecondPerConnection?: number
  bytesPerSecondTotal?: number
}

export const PROFILES = {
  /** Drive as a Colab machine sees it. */
  colab: {
    latencyMs: 120,
    jitter: 0.2,
    creationMs: 350,
    creationsPerSecond: 3,
    burst: 10,
    bytesPerSecondPerConnection: 40e6,
    bytesPerSecondTotal: 100e6,
  },
  /** Behind a home line: longer ways, 20 Mbit/s up. */
  home: {
    latencyMs: 200,
    jitter: 0.3,
    creationMs: 350,
    creationsPerSecond: 3,
    burst: 10,
    bytesPerSecondPerConnection: 2.5e6,
    bytesPerSecondTotal: 2.5e6,
  },
} as const satisfies Record<string, Profile>

export class Pacing {
  profile: Profile
  private readonly surroundings: Surroundings
  private tokens: number | undefined
  private filledAt = 0
  private lineFreeAt = 0

  constructor(surroundings: Surroundings, profile: Profile) {
    this.surroundings = surroundings
    this.profile = profile
  }

  async latency(): Promise<void> {
    const { latencyMs = 0, jitter = 0 } = this.profile
    await this.wait(latencyMs * (1 + jitter * (2 * this.surroundings.random() - 1)))
  }

  /** `bytes` through the line that all connections share, since `from` (ms). */
  async transfer(bytes: number, from: number): Promise<void> {
    const { bytesPerSecondPerConnection = Infinity, bytesPerSecondTotal = Infinity } = this.profile
    this.lineFreeAt = Math.max(this.lineFreeAt, from) + (bytes / bytesPerSecondTotal) * 1000
    const done = Math.max(this.lineFreeAt, from + (bytes / bytesPerSecondPerConnection) * 1000)
    await this.wait(done - this.surroundings.now())
  }

  /** Throws when files are made too fast. */
  admitCreation(): void {
    const { creationsPerSecond, burst = 1 } = this.profile
    if (creationsPerSecond === undefined) return
    const now = this.surroundings.now()
    const tokens = Math.min(burst, (this.tokens ?? burst) + ((now - this.filledAt) / 1000) * creationsPerSecond)
    this.filledAt = now
    this.tokens = tokens
    if (tokens < 1) throw rateLimited()
    this.tokens = tokens - 1
  }

  async creation(): Promise<void> {
    await this.wait(this.profile.creationMs ?? 0)
  }

  private async wait(ms: number): Promise<void> {
    if (ms > 0) await this.surroundings.sleep(ms)
  }
}
