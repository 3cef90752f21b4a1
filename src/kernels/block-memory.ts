import type { WebAssemblyApi, WebAssemblyMemory } from './web-assembly.ts'

/** Of 64 KiB: three regions of 4 MiB, and one for tables. */
const PAGES = 193

let memory: WebAssemblyMemory | undefined

/** The memory that this thread's kernels for blocks share. None of them keeps anything in it from one block to the next. */
export function blockMemory({ Memory }: WebAssemblyApi): WebAssemblyMemory {
  return (memory ??= new Memory({ initial: PAGES, maximum: PAGES }))
}
