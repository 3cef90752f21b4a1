import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'

type Generation = 'minor' | 'major'
let collect: ((options: { type: Generation }) => void) | undefined

/**
 * Frees buffers that nothing refers to any more. They lie outside the heap, where V8 hardly counts them and would keep hundreds of megabytes for long. Takes about a
 * millisecond where the heap is small; to be called after megabytes have been let go, not more often. `major`: those too that have been there for long, which takes longer.
 */
export function freeUnusedBuffers(generation: Generation = 'minor'): void {
  if (collect === undefined) {
    setFlagsFromString('--expose-gc')
    collect = runInNewContext('gc') as typeof collect
  }
  collect?.({ type: generation })
}
