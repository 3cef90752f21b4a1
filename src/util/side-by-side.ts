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

/**
 * The results of `use` for all items, in their order; `most` run at a time. The first failure is thrown, and no other
 * item is begun then.
 */
export async function mapSideBySide<T, R>(items: readonly T[], most: number, use: (item: T) => Promise<R>): Promise<R[]> {
  const results = new Array<R>(items.length)
  let next = 0
  const lane = async (): Promise<void> => {
    while (next < items.length) {
      const i = next++
      try {
        results[i] = await use(items[i]!)
      } catch (error) {
        next = items.length
        throw error
      }
    }
  }
  await Promise.all(Array.from({ length: Math.min(most, items.length) }, lane))
  return results
}
