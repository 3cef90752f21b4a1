import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'

type Generation = 'minor' | 'major'
let collect: ((options: { type: Generation }) => void) | undefined

/** Less is not worth a collection, which takes about a millisecond in a small heap. */
const WORTH_FREEING_BYTES = 1024 * 1024
/** Bytes that were released since the last collection. */
let released = 0

/**
 * Frees unreferenced buffers. They are outside V8's heap, so V8 hardly counts them, and would keep hundreds of
 * megabytes for a long time. `bytes`: about how many were released since the last call; small numbers add up. `major`
 * also frees buffers that survived earlier collections, and takes longer.
 */
export function freeUnusedBuffers(bytes = Infinity, generation: Generation = 'minor'): void {
  released += bytes
  if (released < WORTH_FREEING_BYTES) return
  released = 0
  if (collect === undefined) {
    setFlagsFromString('--expose-gc')
    collect = runInNewContext('gc') as typeof collect
  }
  collect?.({ type: generation })
}
