import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'

type Generation = 'minor' | 'major'
let collect: ((options: { type: Generation }) => void) | undefined

/**
 * Frees unreferenced buffers. They are outside V8's heap, so V8 hardly counts them, and would keep hundreds of
 * megabytes for a long time. Call it only after megabytes were released: it takes about a millisecond in a small heap.
 * `major` also frees buffers that survived earlier collections, and takes longer.
 */
export function freeUnusedBuffers(generation: Generation = 'minor'): void {
  if (collect === undefined) {
    setFlagsFromString('--expose-gc')
    collect = runInNewContext('gc') as typeof collect
  }
  collect?.({ type: generation })
}
