/** Runs tasks side by side, at most `most` at a time. The first failure is thrown by the next call. */
export class SideBySide {
  private readonly running = new Set<Promise<void>>()
  private readonly most: number
  private failure: { error: unknown } | undefined

  constructor(most: number) {
    this.most = most
  }

  /** Starts a task when there is room for it. Resolves when there is room for another. */
  async start(task: () => Promise<void>): Promise<void> {
    this.throwFailure()
    const running = task()
      .catch((error: unknown) => void (this.failure ??= { error }))
      .finally(() => this.running.delete(running))
    this.running.add(running)
    if (this.running.size >= this.most) await Promise.race(this.running)
    this.throwFailure()
  }

  /** Resolves when no task is running any more, also after a failure. */
  async settled(): Promise<void> {
    await Promise.all(this.running)
  }

  async end(): Promise<void> {
    await this.settled()
    this.throwFailure()
  }

  private throwFailure(): void {
    if (this.failure) throw this.failure.error
  }
}
