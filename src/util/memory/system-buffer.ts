import type { WebAssemblyApi } from '../../kernels/web-assembly.ts'

const PAGE_BYTES = 64 * 1024

/**
 * At least `bytes` of zeros, for a buffer of many megabytes that is kept. The memory comes directly from the system if
 * possible. Once such a large piece is freed to malloc, malloc keeps all pieces up to that size and the memory between
 * them.
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
