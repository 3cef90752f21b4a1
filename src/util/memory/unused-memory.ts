import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'

type Generation = 'minor' | 'major'
let collect: ((options: { type: Generation }) => void) | undefined

/**
 * Frees buffers that nothing refers to any more. V8 hardly counts them, since they lie outside of its heap, and would
 * keep hundreds of megabytes for long. Call it after megabytes were dropped, not more often: it takes about a
 * millisecond in a small heap. `major` also frees buffers that survived earlier collections, and takes longer.
 */
export function freeUnusedBuffers(generation: Generation = 'minor'): void {
  if (collect === undefined) {
    setFlagsFromString('--expose-gc')
    collect = runInNewContext('gc') as typeof collect
  }
  collect?.({ type: generation })
}
