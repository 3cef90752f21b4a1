import { ANCHORS_INPUT_BYTES, type AnchorsKernel, assertAnchorsFit, javascriptAnchors } from './anchors.ts'
import { blockMemory } from './block-memory.ts'
import { gearTable } from './fastcdc.ts'
import { ANCHORS_WASM } from './wasm-bytes.ts'
import { fastestKernel, type WebAssemblyApi } from './web-assembly.ts'

interface AnchorsExports {
  inputOffset: { value: number }
  anchorsOffset: { value: number }
  gearOffset: { value: number }
  find: (length: number, before: number, limit: number) => number
  lastHash: () => number
}

let compiled: object | undefined

function webAssemblyAnchors(api: WebAssemblyApi): AnchorsKernel {
  compiled ??= new api.Module(Buffer.from(ANCHORS_WASM, 'base64'))
  const memory = blockMemory(api)
  const { inputOffset, anchorsOffset, gearOffset, find, lastHash } = new api.Instance(compiled, { env: { memory } })
    .exports as AnchorsExports
  const gear = new Int32Array(memory.buffer, gearOffset.value, 256)
  return {
    kind: 'webassembly',
    input: new Uint8Array(memory.buffer, inputOffset.value, ANCHORS_INPUT_BYTES),
    anchors: new Uint32Array(memory.buffer, anchorsOffset.value, 2 * ANCHORS_INPUT_BYTES),
    find(length, before, bits) {
      assertAnchorsFit(length, bits)
      // other kernels of this memory may have overwritten it
      gear.set(gearTable())
      const count = find(length, before, 2 ** (32 - bits))
      return { count, hash: lastHash() >>> 0 }
    },
  }
}

/**
 * The fastest kernel that this process can run, in the memory that block kernels share. Both kernels find the same
 * anchors.
 */
export function loadAnchors(): AnchorsKernel {
  return fastestKernel(webAssemblyAnchors, javascriptAnchors)
}
