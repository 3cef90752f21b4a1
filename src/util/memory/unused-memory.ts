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

/** A collection is worth while for so many bytes. */
const MANY_BYTES = 2 * 1024 * 1024
let unused = 0

/** Tells that so many bytes of buffers are no longer referenced. They are freed when there are many. */
export function noteUnused(bytes: number): void {
  unused += bytes
  if (unused < MANY_BYTES) return
  unused = 0
  freeUnusedBuffers()
}
