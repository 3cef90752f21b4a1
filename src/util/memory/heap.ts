/*
 * How memory is held: a small heap, buffers that are used again, and memory that goes back to the system at once
 * (docs/memory.md). It knows sizes, not what lies in a buffer.
 */

import { PerformanceObserver } from 'node:perf_hooks'
import { getHeapSpaceStatistics, getHeapStatistics, setFlagsFromString } from 'node:v8'

/** Both halves of the young generation, which grows once more before V8 hears of it: enough that short-lived objects die young, a quarter or less of what it would take. */
const YOUNG_BYTES = 4 * 1024 * 1024
/** A heap that is not larger may grow as V8 would let it: collections take time, and there is room. */
const SMALL_HEAP_BYTES = 64 * 1024 * 1024
/** How much of what survived a collection may be allocated before the next one, in a larger heap; V8 takes two to four times this. */
const GROWTH_PERCENT = 40

/**
 * Has V8 collect more often than it would: by itself it lets the heap of a push of 100,000 files grow to 200 MB, a third of it in use. For all threads, and
 * for as long as the process lives.
 */
export function keepHeapSmall(): void {
  const observer = new PerformanceObserver(() => {
    // said each time: V8 forgets it whenever a thread starts
    if (youngBytes() >= YOUNG_BYTES) setFlagsFromString('--semi-space-growth-factor=1')
    if (getHeapStatistics().total_heap_size > SMALL_HEAP_BYTES) setFlagsFromString(`--heap-growing-percent=${GROWTH_PERCENT}`)
  })
  observer.observe({ entryTypes: ['gc'] })
}

function youngBytes(): number {
  return getHeapSpaceStatistics().find(({ space_name }) => space_name === 'new_space')?.space_size ?? 0
}
