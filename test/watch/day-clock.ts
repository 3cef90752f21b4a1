const MORNING = Date.UTC(2026, 0, 5)

/** A clock that runs `speed` times as fast as the true one, 0 for one that stands still, and can be put forward. */
export class DayClock {
  private readonly speed: number
  private readonly began = performance.now()
  private passed = 0

  constructor(speed: number) {
    this.speed = speed
  }

  /** ms since 1970, whole ones. */
  readonly now = (): number => Math.floor(MORNING + this.passed + (performance.now() - this.began) * this.speed)

  readonly pass = (ms: number): void => void (this.passed += ms)

  readonly sleep = (ms: number): Promise<void> => new Promise(resolve => setTimeout(resolve, ms / this.speed))
}
