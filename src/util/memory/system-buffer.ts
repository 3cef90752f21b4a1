import type { WebAssemblyApi } from '../../kernels/web-assembly.ts'

const PAGE_BYTES = 64 * 1024

/**
 * At least `bytes` of zeros, for a buffer of many megabytes that is kept. The memory comes from the system itself where
 * possible: once malloc has got back so large a piece, it keeps all pieces up to that size, and what lies between them.
 */
export function systemBuffer(bytes: number): Uint8Array {
  const { WebAssembly } = globalThis as { WebAssembly?: WebAssemblyApi }
  const pages = Math.ceil(bytes / PAGE_BYTES)
  try {
    if (WebAssembly) return new Uint8Array(new WebAssembly.Memory({ initial: pages, maximum: pages }).buffer)
  } catch {
    // too little address space
  }
  return new Uint8Array(bytes)
}
