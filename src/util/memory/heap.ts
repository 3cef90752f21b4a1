/*
 * How memory is held: a small heap, buffers that are used again, and memory that goes back to the system at once
 * (docs/memory.md). It knows sizes, not what lies in a buffer.
 */

import { PerformanceObserver } from 'node:perf_hooks'
import { getHeapSpaceStatistics, getHeapStatistics, setFlagsFromString } from 'node:v8'

/**
 * The young generation stops growing at this size (both halves), after one more step. Short-lived objects still die
 * young, and V8 would let it grow to four times this or more.
 */
const YOUNG_BYTES = 4 * 1024 * 1024
/** A smaller heap grows as V8 lets it: collections take time. */
const SMALL_HEAP_BYTES = 64 * 1024 * 1024
/**
 * How much a larger heap may grow between two collections, as a share of what survived; V8 allows two to four times
 * this.
 */
const GROWTH_PERCENT = 40

/**
 * Makes V8 collect more often than it would by itself (docs/memory.md). For all threads, and for as long as the process
 * lives.
 */
export function keepHeapSmall(): void {
  const observer = new PerformanceObserver(() => {
    // set each time: V8 forgets it whenever a thread starts
    if (youngBytes() >= YOUNG_BYTES) setFlagsFromString('--semi-space-growth-factor=1')
    if (getHeapStatistics().total_heap_size > SMALL_HEAP_BYTES) setFlagsFromString(`--heap-growing-percent=${GROWTH_PERCENT}`)
  })
  observer.observe({ entryTypes: ['gc'] })
}

function youngBytes(): number {
  return getHeapSpaceStatistics().find(({ space_name }) => space_name === 'new_space')?.space_size ?? 0
}
