/*
 * How memory is held: a small heap, reused buffers, and memory that returns to the system at once (docs/memory.md). It
 * knows sizes, but not the contents of buffers.
 */

import { PerformanceObserver } from 'node:perf_hooks'
import { getHeapSpaceStatistics, getHeapStatistics, setFlagsFromString } from 'node:v8'

/**
 * The young generation stops growing one step after this size (both halves). Short-lived objects still die young, and
 * V8 would let it grow to at least four times this.
 */
const YOUNG_BYTES = 4 * 1024 * 1024
/** A smaller heap grows as V8 decides, because collections take time. */
const SMALL_HEAP_BYTES = 64 * 1024 * 1024
/**
 * Growth of a larger heap between two collections, as a share of the surviving objects. V8 would allow two to four
 * times this.
 */
const GROWTH_PERCENT = 40

/** Makes V8 collect more often than by default (docs/memory.md), for all threads and the life of the process. */
export function keepHeapSmall(): void {
  const observer = new PerformanceObserver(() => {
    // set each time, because V8 resets it whenever a thread starts
    if (youngBytes() >= YOUNG_BYTES) setFlagsFromString('--semi-space-growth-factor=1')
    if (getHeapStatistics().total_heap_size > SMALL_HEAP_BYTES) setFlagsFromString(`--heap-growing-percent=${GROWTH_PERCENT}`)
  })
  observer.observe({ entryTypes: ['gc'] })
}

function youngBytes(): number {
  return getHeapSpaceStatistics().find(({ space_name }) => space_name === 'new_space')?.space_size ?? 0
}
