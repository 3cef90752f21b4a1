import { blockMemory } from './block-memory.ts'
import {
  assertFits,
  assertKey,
  assertNarrowFits,
  type GroupKey,
  javascriptPlanes,
  type NarrowFormat,
  type PlaneMode,
  type PlanesKernel,
  REGION_BYTES,
  type Width,
} from './planes.ts'
import { PLANES_WASM } from './wasm-bytes.ts'
import { fastestKernel, type WebAssemblyApi } from './web-assembly.ts'

type Kernel = (width: number, mode: number, length: number) => void
type Grouping = (width: number, shift: number, bits: number, start: number, length: number) => void

interface PlanesExports {
  inputOffset: { value: number }
  baseOffset: { value: number }
  outputOffset: { value: number }
  split: Kernel
  join: Kernel
  group: Grouping
  ungroup: Grouping
  narrow: (format: number, count: number, to: number) => void
}

/** The numbers of modes and formats in the AssemblyScript source. */
const MODES: Readonly<Record<PlaneMode, number>> = { plain: 0, rotated: 1, delta: 2 }
const FORMATS: Readonly<Record<NarrowFormat, number>> = { bf16: 1, fp16: 2 }

let compiled: object | undefined

function webAssemblyPlanes(api: WebAssemblyApi): PlanesKernel {
  compiled ??= new api.Module(Buffer.from(PLANES_WASM, 'base64'))
  const memory = blockMemory(api)
  const { inputOffset, baseOffset, outputOffset, split, join, group, ungroup, narrow } = new api.Instance(compiled, { env: { memory } })
    .exports as PlanesExports
  const region = ({ value }: { value: number }) => new Uint8Array(memory.buffer, value, REGION_BYTES)
  const checked = (kernel: Kernel) => (width: number, mode: PlaneMode, length: number) => {
    assertFits(length)
    kernel(width, MODES[mode], length)
  }
  const grouping = (run: Grouping) => (width: Width, key: GroupKey, start: number, length: number) => {
    for (const bytes of [start, length, start + length]) assertFits(bytes)
    assertKey(width, key)
    run(width, key.shift, key.bits, start, length)
  }
  return {
    kind: 'webassembly',
    input: region(inputOffset),
    base: region(baseOffset),
    output: region(outputOffset),
    split: checked(split),
    join: checked(join),
    group: grouping(group),
    ungroup: grouping(ungroup),
    narrow(format, count, to) {
      assertNarrowFits(count, to)
      narrow(FORMATS[format], count, to)
    },
  }
}

/**
 * The fastest kernel that this process can run, in the memory that block kernels share. Both kernels make the same
 * planes.
 */
export function loadPlanes(): PlanesKernel {
  return fastestKernel(webAssemblyPlanes, javascriptPlanes)
}
