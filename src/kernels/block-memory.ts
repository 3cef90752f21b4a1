import type { WebAssemblyApi, WebAssemblyMemory } from './web-assembly.ts'

/** Pages of 64 KiB: three regions of 4 MiB, and 17 pages of tables. */
const PAGES = 209

let memory: WebAssemblyMemory | undefined

/** The memory shared by the block kernels of this thread. No kernel keeps data in it between two blocks. */
export function blockMemory({ Memory }: WebAssemblyApi): WebAssemblyMemory {
  return (memory ??= new Memory({ initial: PAGES, maximum: PAGES }))
}
