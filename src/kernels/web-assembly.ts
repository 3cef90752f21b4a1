/** The used part of the global `WebAssembly`, which is undefined under `node --jitless`. */
export interface WebAssemblyApi {
  Module: new (bytes: Uint8Array) => object
  Instance: new (module: object, imports?: object) => { exports: unknown }
  Memory: new (pages: { initial: number; maximum: number }) => WebAssemblyMemory
}

export interface WebAssemblyMemory {
  readonly buffer: ArrayBuffer
}

/**
 * The fastest kernel that this process can run: the one that `make` makes, or its twin, which is slower and gives the
 * same results.
 */
export function fastestKernel<Kernel>(make: (api: WebAssemblyApi) => Kernel, twin: () => Kernel): Kernel {
  const api = (globalThis as { WebAssembly?: WebAssemblyApi }).WebAssembly
  if (api) {
    try {
      return make(api)
    } catch {
      // no SIMD, too little address space, or a policy against generated code
    }
  }
  return twin()
}
