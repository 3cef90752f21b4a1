import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import type { WebAssemblyApi } from './web-assembly.ts'

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

const PAGE_BYTES = 64 * 1024

/**
 * At least `bytes` of zeros, for a buffer of many megabytes that is kept. It comes from the system itself where that is possible: an allocator that has handed out
 * and got back so large a piece keeps all pieces up to that size for later, and what lies between them too.
 */
export function systemBuffer(bytes: number): Uint8Array {
  const { WebAssembly } = globalThis as { WebAssembly?: WebAssemblyApi }
  const pages = Math.ceil(bytes / PAGE_BYTES)
  try {
    if (WebAssembly) return new Uint8Array(new WebAssembly.Memory({ initial: pages, maximum: pages }).buffer)
  } catch {
    // too little address space for it
  }
  return new Uint8Array(bytes)
}
